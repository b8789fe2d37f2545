/**
 * The stage `rotate`: rotates a model if its quantized form then loses less. The trial quantizes both without calibration, which is fast,
 * and measures both on the calibration text, which neither was fitted to.
 */
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { formatByName } from '../../tensor/formats.ts';
import { compare } from '../compare.ts';
import { fileTypeByName } from '../fileTypes.ts';
import { type QuantizeOptions, quantize } from '../quantize.ts';
import { rotate } from '../rotate.ts';
import { splitPath } from '../writeFile.ts';

export interface RotationTrial {
  readonly isRotated: boolean;
  /** Mean KL divergence of the quantized model, in nats. Absent if nothing was tried. */
  readonly divergence?: { readonly original: number; readonly rotated: number };
}

interface TrialOptions extends Pick<QuantizeOptions, 'threads' | 'signal' | 'onProgress'> {
  readonly seed: number;
  /** Type that the trial quantizes to. */
  readonly type: string;
  /** Text that both models are measured on. */
  readonly text: string;
  /** Tokens per chunk. */
  readonly window?: number;
}

/** Tokens of the text that are scored. */
const TOKENS = 4096;

/** @param output path of the GGUF file, where the rotated model is even if it is not better */
export async function rotateIfBetter(source: string, output: string, options: TrialOptions): Promise<RotationTrial> {
  const { seed, type, text, window: context, threads, signal, onProgress } = options;
  await rotate(source, output, { seed, signal });
  const trials = [`${output}.trial-original`, `${output}.trial-rotated`] as const;
  const [folder] = splitPath(output);
  try {
    for (const [i, from] of [source, output].entries())
      await quantize(from, trials[i], { type: trialType(type), pure: true, threads, signal, onProgress });
    const measure = { text, context, maxTokens: TOKENS, exact: true, speed: false, threads, signal, onProgress };
    const [, a, b] = await compare(source, trials, measure);
    const divergence = { original: a.kld!.mean, rotated: b.kld!.mean };
    return { isRotated: divergence.rotated < divergence.original, divergence };
  } finally {
    for (const trial of trials) await checkpointFolder(folder).remove(splitPath(trial)[1]);
  }
}

/** Types for budgets of bits or bytes. */
const TYPES = ['Q2_K', 'Q3_K_M', 'Q4_0', 'Q5_0', 'Q6_K', 'Q8_0'];

/** The type whose matrices have the number of bits per weight that is nearest. */
export function typeOfBits(bitsPerWeight: number): string {
  const distance = (type: string) => {
    const { blockBytes, blockSize } = formatByName(fileTypeByName(type).format);
    return Math.abs((8 * blockBytes) / blockSize - bitsPerWeight);
  };
  return TYPES.reduce((nearest, type) => (distance(type) < distance(nearest) ? type : nearest));
}

/** The type itself if it can be quantized without calibration, else the one with a grid of about its bits. */
function trialType(type: string): string {
  const { format } = fileTypeByName(type);
  if (!formatByName(format).codebook) return type;
  return format.startsWith('IQ3') ? 'Q3_K_M' : 'Q2_K';
}
