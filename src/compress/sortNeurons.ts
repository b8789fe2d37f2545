/**
 * Sorts the neurons of every feed-forward part by importance, so that the first of them are a good narrower model: Σ x² of the neuron on a
 * text, times the squared norm of its column of `down`. The whole model computes the same as before.
 */
import { OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import { tensorBytes } from '../formats/checkpoint.ts';
import type { GgufValue } from '../formats/gguf/write.ts';
import { type CheckpointSource, openCheckpoint } from '../formats/open.ts';
import { inGgufTerms } from '../models/inGgufTerms.ts';
import { wholeWidth, withSortedNeurons } from '../models/nestedWidths.ts';
import { type CalibrationOptions, prepareCalibration } from './calibration.ts';
import { finiteBytes, finiteValues } from './finiteValues.ts';
import { importanceOf } from './measureImportance.ts';
import { blockCount } from './prune/dropLayers.ts';
import { writeFile } from './writeFile.ts';

export interface SortNeuronsOptions {
  /** Shares of the neurons of the narrower models, such as [0.5, 0.75]. They are rounded to blocks of 32. */
  readonly widths: readonly number[];
  readonly calibration: CalibrationOptions;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface SortNeuronsResult {
  /** Numbers of neurons of the submodels, the whole last. */
  readonly widths: readonly number[];
  /** Share of the importance that the neurons of each submodel have, as a mean over the blocks. */
  readonly importance: readonly number[];
  readonly bytes: number;
}

/** Neurons are whole blocks of the formats of `down`. */
const BLOCK = 32;

/**
 * @param source a GGUF file or a Hugging Face folder, in F32, F16 or BF16 @param output path of the GGUF file
 * @throws {OptionError} for widths that are no shares @throws {UnsupportedError} for models with other feed-forward parts, such as experts
 */
export async function sortNeurons(
  source: CheckpointSource,
  output: string,
  options: SortNeuronsOptions,
): Promise<SortNeuronsResult> {
  if (source === output) throw new OptionError('the output', output, 'another file than the source');
  const opened = await openCheckpoint(source, options);
  try {
    const checkpoint = inGgufTerms(opened);
    const widths = widthsFrom(options.widths, wholeWidth(checkpoint));
    const calibration = await prepareCalibration(checkpoint, options.calibration);
    const entries = await importanceOf(calibration, options);
    const orders: Int32Array[] = [];
    const importance = widths.map(() => 0);
    const blocks = blockCount(checkpoint);
    for (let block = 0; block < blocks; block++) {
      options.signal?.throwIfAborted();
      const name = `blk.${block}.ffn_down.weight`;
      const squares = entries.get(name)?.squares;
      const tensor = checkpoint.tensors.get(name);
      if (!squares || !tensor) throw new OptionError('source', checkpoint.name, `a model with ${name}`);
      const weights = importanceOfNeurons(await finiteValues(checkpoint, tensor), squares);
      const order = Int32Array.from([...weights.keys()].sort((a, b) => weights[b] - weights[a] || a - b));
      orders.push(order);
      const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
      for (const [i, width] of widths.entries())
        importance[i] += order.subarray(0, width).reduce((sum, neuron) => sum + weights[neuron], 0) / total / blocks;
    }
    const sorted = withSortedNeurons(checkpoint, orders, widths);
    const tensors = [...sorted.tensors].map(([name, tensor]) => {
      const { shape, format } = tensor;
      return { name, shape, format, data: () => finiteBytes(checkpoint, tensor) };
    });
    await writeFile(output, { metadata: [...sorted.metadata] as [string, GgufValue][], tensors }, options);
    await opened.finish?.(options.signal);
    return {
      widths,
      importance,
      bytes: tensorBytes(sorted),
    };
  } finally {
    await opened.close();
  }
}

/** @throws {OptionError} */
function widthsFrom(shares: readonly number[], whole: number): number[] {
  for (const share of shares)
    if (!(share > 0 && share < 1)) throw new OptionError('widths', share, 'shares of the neurons between 0 and 1');
  const narrower = shares.map((share) => Math.round((share * whole) / BLOCK) * BLOCK);
  const widths = [...new Set([...narrower, whole])].sort((a, b) => a - b);
  if (widths.length < 2 || widths[0] < BLOCK || widths.at(-1)! > whole)
    throw new OptionError(
      'widths',
      shares.join(', '),
      `shares that leave between ${BLOCK} and ${whole - BLOCK} of the ${whole} neurons`,
    );
  return widths;
}

/** @param down [outputs, neurons] @param squares Σ x² of each neuron */
function importanceOfNeurons(down: Float32Array, squares: Float32Array): Float64Array {
  const neurons = squares.length;
  const norms = new Float64Array(neurons);
  for (let at = 0; at < down.length; at += neurons) for (let i = 0; i < neurons; i++) norms[i] += down[at + i] ** 2;
  return norms.map((norm, i) => norm * squares[i]);
}
