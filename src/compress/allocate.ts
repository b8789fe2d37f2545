/**
 * Chooses the format of each tensor under a budget of bytes (mixed bits). For every matrix the true KL divergence is measured that it
 * causes when it alone is quantized, in two formats; errors tell that of the others. A dynamic program over the bytes finds the formats with the least
 * sum; evolution goes on from there with the true divergence of whole models, because divergences only nearly add up.
 */
import { OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import { seededRandom } from '../core/random.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import type { Windows } from './calibrationText.ts';
import { type Choice, cheapest } from './cheapest.ts';
import { encodeRows } from './encodeRows.ts';
import { evolve } from './evolve.ts';
import { Matrices } from './matrix/matrices.ts';
import { isQuantizable, keptFormat } from './mixture.ts';
import { Sensitivity } from './sensitivity.ts';

export interface AllocateOptions {
  readonly windows: Windows;
  /** Maximum bytes of all tensors. */
  readonly bytes: number;
  /** Importance of the columns of each matrix, by tensor name. */
  readonly importance: ReadonlyMap<string, Float32Array>;
  /** Generations of the evolution. Default: 12; 0: none. */
  readonly generations?: number;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
  /** Progress with the stages 'sensitivities' and 'evolution'. */
  readonly onProgress?: OnProgress;
}

/** Formats to choose from, by whether the rows are whole super-blocks, the smallest first. */
const SUPER_BLOCKS = ['Q2_K', 'Q3_K', 'IQ4_XS', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_0'].map(formatByName);
/** The same for budgets below Q3_K: with Q2_K as the smallest there would be nothing to save where little is lost. */
const SMALL_SUPER_BLOCKS = [
  ...['IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'Q2_K', 'IQ3_XXS', 'IQ3_S', 'IQ4_XS'].map(formatByName),
  ...SUPER_BLOCKS.slice(3),
];
const BLOCKS = ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0'].map(formatByName);
/** Bytes of blocks that are kept while formats are chosen. */
const KEPT_BYTES = 2 ** 29;
const GENERATIONS = 12;
const SEED = 1;

/** @returns the format of each matrix, by name @throws {OptionError} if no formats fit into the bytes; says what does */
export async function allocate(checkpoint: Checkpoint, options: AllocateOptions): Promise<Map<string, BlockFormat>> {
  const tensors = [...checkpoint.tensors.values()];
  const matrices = tensors.filter(isQuantizable);
  const fixed = tensors
    .filter((tensor) => !isQuantizable(tensor))
    .reduce((sum, tensor) => sum + sizeAs(tensor, keptFormat(tensor)), 0);
  const inQ3 = matrices.reduce((sum, tensor) => sum + sizeAs(tensor, formatsOf(tensor, SUPER_BLOCKS.slice(1))[0]), 0);
  const superBlocks = options.bytes - fixed < inQ3 ? SMALL_SUPER_BLOCKS : SUPER_BLOCKS;
  const least = fixed + matrices.reduce((sum, tensor) => sum + sizeAs(tensor, formatsOf(tensor, superBlocks)[0]), 0);
  if (options.bytes < least)
    throw new OptionError(
      'the budget',
      `${options.bytes} bytes of tensors`,
      `at least ${least}, the smallest that these formats reach`,
    );
  const { generations = GENERATIONS } = options;
  const allocation = await Allocation.create(checkpoint, matrices, superBlocks, options);
  try {
    const choices = await allocation.sensitivities();
    const start = cheapest(choices, options.bytes - fixed)!;
    const levels = generations > 0 ? await allocation.evolve(start, options.bytes - fixed, generations) : start;
    return new Map(matrices.map((tensor, i) => [tensor.name, formatsOf(tensor, superBlocks)[levels[i]]]));
  } finally {
    allocation.dispose();
  }
}

/** @param superBlocks formats of matrices whose rows are whole super-blocks */
function formatsOf({ shape }: CheckpointTensor, superBlocks: readonly BlockFormat[]): readonly BlockFormat[] {
  const columns = shape.at(-1)!;
  if (columns % 256 === 0) return superBlocks;
  return columns % 32 === 0 ? BLOCKS : [formatByName('F16')];
}

function sizeAs({ byteLength, format: own }: CheckpointTensor, format: BlockFormat): number {
  return bytesOf(format, (byteLength / own.blockBytes) * own.blockSize);
}

/** A model whose matrices take one of their formats each. A level is the index of a format. */
class Allocation {
  readonly #matrices: readonly CheckpointTensor[];
  readonly #superBlocks: readonly BlockFormat[];
  readonly #options: AllocateOptions;
  readonly #model: Sensitivity;
  readonly #encoder: Matrices;
  /** Levels of the model as it is; undefined: a matrix in its own values. */
  readonly #now: (number | undefined)[];
  /** Blocks by tensor and format, of formats with a codebook: their search is by far the slowest. The oldest go first. */
  readonly #found = new Map<string, Uint8Array>();
  #foundBytes = 0;

  private constructor(
    matrices: readonly CheckpointTensor[],
    superBlocks: readonly BlockFormat[],
    options: AllocateOptions,
    model: Sensitivity,
    encoder: Matrices,
  ) {
    this.#matrices = matrices;
    this.#superBlocks = superBlocks;
    this.#options = options;
    this.#model = model;
    this.#encoder = encoder;
    this.#now = matrices.map(() => undefined);
  }

  static async create(
    checkpoint: Checkpoint,
    matrices: readonly CheckpointTensor[],
    superBlocks: readonly BlockFormat[],
    options: AllocateOptions,
  ) {
    const encoder = await Matrices.create(options.threads);
    try {
      return new Allocation(matrices, superBlocks, options, await Sensitivity.create(checkpoint, options), encoder);
    } catch (error) {
      encoder.dispose();
      throw error;
    }
  }

  /**
   * Divergence of each matrix in each of its formats, the others having their own values. It is measured in two formats; that of the
   * others follows from their errors, to a power of which divergences are nearly proportional.
   */
  async sensitivities(): Promise<Choice<number>[][]> {
    const { signal, onProgress } = this.#options;
    const choices: Choice<number>[][] = [];
    for (const [index, tensor] of this.#matrices.entries()) {
      const values = await tensorValues(tensor);
      const formats = formatsOf(tensor, this.#superBlocks);
      const measured = new Set([0, Math.floor(formats.length / 2)]);
      const points: Point[] = [];
      const errors: number[] = [];
      for (const [level, format] of formats.entries()) {
        signal?.throwIfAborted();
        const quantized = this.#quantized(tensor, values, format);
        const error = this.#errorOf(tensor, values, quantized);
        errors.push(error);
        if (!measured.has(level)) continue;
        await this.#model.write(tensor.name, quantized);
        points.push({ error, divergence: await this.#model.divergence('some') });
      }
      await this.#model.write(tensor.name, values);
      const divergenceOf = powerLaw(points);
      choices.push(
        formats.map((format, value) => ({ value, size: sizeAs(tensor, format), cost: divergenceOf(errors[value]) })),
      );
      const { length: total } = this.#matrices;
      onProgress?.({ stage: 'sensitivities', done: index + 1, total, unit: 'pieces', item: tensor.name });
    }
    return choices;
  }

  /** Improves the levels by the true divergence of whole models, within the bytes of all matrices. */
  async evolve(start: readonly number[], budget: number, generations: number): Promise<readonly number[]> {
    const { onProgress } = this.#options;
    const { levels } = await evolve({
      costs: this.#matrices.map((tensor) =>
        formatsOf(tensor, this.#superBlocks).map((format) => sizeAs(tensor, format)),
      ),
      ...{ budget, start, generations, isOrdered: true, random: seededRandom(SEED) },
      evaluate: async (candidate, effort) => {
        await this.#take(candidate);
        return this.#model.divergence(effort === 1 ? 'all' : 'some');
      },
      onGeneration: (done, loss) => {
        const item = `divergence ${loss.toPrecision(3)}`;
        onProgress?.({ stage: 'evolution', done, total: generations, unit: 'pieces', item });
      },
    });
    return levels;
  }

  dispose(): void {
    this.#model.dispose();
    this.#encoder.dispose();
  }

  /** Quantizes the matrices whose level changes. */
  async #take(levels: readonly number[]): Promise<void> {
    for (const [i, tensor] of this.#matrices.entries()) {
      if (this.#now[i] === levels[i]) continue;
      this.#options.signal?.throwIfAborted();
      const format = formatsOf(tensor, this.#superBlocks)[levels[i]];
      await this.#model.write(tensor.name, this.#quantized(tensor, await tensorValues(tensor), format));
      this.#now[i] = levels[i];
    }
  }

  /** Squared error, weighted by the importance of the columns. */
  #errorOf({ name, shape }: CheckpointTensor, values: Float32Array, quantized: Float32Array): number {
    const importance = this.#options.importance.get(name);
    const columns = shape.at(-1)!;
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += (importance?.[i % columns] ?? 1) * (values[i] - quantized[i]) ** 2;
    return sum;
  }

  /** The values that a matrix has in a format. */
  #quantized({ name, shape }: CheckpointTensor, values: Float32Array, format: BlockFormat): Float32Array {
    const key = `${format.name} ${name}`;
    const found = this.#found.get(key);
    const bytes = found ?? encodeRows(this.#encoder, values, shape.at(-1)!, format, this.#options.importance.get(name));
    if (format.codebook && !found) this.#keep(key, bytes);
    const decoded = new Float32Array(values.length);
    format.decode(bytes, 0, decoded, 0, bytes.length / format.blockBytes);
    return decoded;
  }

  #keep(key: string, bytes: Uint8Array): void {
    this.#found.set(key, bytes);
    this.#foundBytes += bytes.length;
    for (const [oldest, { length }] of this.#found) {
      if (this.#foundBytes <= KEPT_BYTES) return;
      this.#found.delete(oldest);
      this.#foundBytes -= length;
    }
  }
}

interface Point {
  readonly error: number;
  readonly divergence: number;
}

/** The divergence of an error by the power law through one or two points. */
function powerLaw([first, second = first]: readonly Point[]): (error: number) => number {
  const { error, divergence } = first;
  const hasSlope = second.error > 0 && second.divergence > 0 && second.error < error && divergence > second.divergence;
  const power = hasSlope ? Math.log(divergence / second.divergence) / Math.log(error / second.error) : 1;
  return (other) => (error > 0 ? divergence * (other / error) ** power : divergence);
}
