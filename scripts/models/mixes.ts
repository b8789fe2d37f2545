/** Chooses the block format of each tensor of a generated model. */
import type { BlockFormat } from '../../src/tensor/blockFormat.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import type { TensorPlan } from './weights.ts';

export interface Mix {
  /** Format of all matrices, or of most. */
  readonly format: BlockFormat;
  /** Format of the token embedding and the output layer. Default: `format`. */
  readonly headFormat?: BlockFormat;
  /** Mix formats as llama.cpp's quantize: Q6_K output layers, and Q4_K and Q5_K as its `_M` types. */
  readonly likeLlamaCpp?: boolean;
}

/** Fallback formats of llama.cpp's quantize if a row is not a multiple of the block size (`tensor_type_fallback`). */
const fallbacks: Readonly<Record<string, string>> = {
  IQ4_XS: 'IQ4_NL',
  Q2_K: 'Q4_0',
  Q3_K: 'Q4_0',
  TQ1_0: 'Q4_0',
  TQ2_0: 'Q4_0',
  Q4_K: 'Q5_0',
  Q5_K: 'Q5_1',
  Q6_K: 'Q8_0',
};

/** @param layers number of layers @param tied true if the output layer uses the token embedding */
export function formatOf(plan: TensorPlan, mix: Mix, layers: number, tied: boolean): BlockFormat {
  const { name, shape } = plan;
  if (shape.length < 2 || name.startsWith('position_embd')) return formatByName('F32');
  const wanted = wantedFormat(name, mix, layers, tied);
  if (shape[1] % wanted.blockSize === 0) return wanted;
  const fallback = formatByName(fallbacks[wanted.name] ?? 'F16');
  return shape[1] % fallback.blockSize === 0 ? fallback : formatByName('F16');
}

function wantedFormat(name: string, mix: Mix, layers: number, tied: boolean): BlockFormat {
  const { format, headFormat, likeLlamaCpp } = mix;
  if (headFormat && (name === 'token_embd.weight' || name === 'output.weight')) return headFormat;
  if (name === (tied ? 'token_embd.weight' : 'output.weight')) {
    const asItIs = !likeLlamaCpp || format.blockSize === 1 || format.name === 'Q8_0';
    return asItIs ? format : formatByName('Q6_K');
  }
  const mixed = likeLlamaCpp && (format.name === 'Q4_K' || format.name === 'Q5_K');
  const [, layer, kind] = /^blk\.(\d+)\.(.*)\.weight$/.exec(name) ?? [];
  const sensitive = kind === 'attn_v' || kind === 'ffn_down';
  return mixed && sensitive && moreBits(Number(layer), layers) ? formatByName('Q6_K') : format;
}

/** Layers with more bits in llama.cpp's `_M` types (`use_more_bits`): the first and last, and every third in between. */
function moreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}
