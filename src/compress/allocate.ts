/**
 * Chooses the format of each tensor under a budget of bytes, time or energy (mixed bits). For every matrix the true KL divergence is measured that it
 * causes when it alone is quantized, in two formats; errors tell that of the others. A dynamic program over the budget finds the formats with the least
 * sum; evolution goes on from there with the true divergence of whole models, because divergences only nearly add up.
 */
import type { OnProgress } from '../core/progress.ts';
import { seededRandom } from '../core/random.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import type { BudgetStore } from './budgetStore.ts';
import type { Windows } from './calibrationText.ts';
import { encodeRows } from './encodeRows.ts';
import { evolve } from './evolve.ts';
import { Matrices } from './matrix/matrices.ts';
import { type Candidate, chosenFormats, leastLoss, type Room } from './room.ts';
import { Sensitivity } from './sensitivity.ts';

export interface AllocateOptions {
  readonly windows: Windows;
  /** Importance of the columns of each matrix, by tensor name. */
  readonly importance: ReadonlyMap<string, Float32Array>;
  /** Generations of the evolution. Default: 12; 0: none. */
  readonly generations?: number;
  /** Keeps what is measured, for a run that is interrupted. */
  readonly store?: BudgetStore;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
  /** Progress with the stages 'sensitivities' and 'evolution'. */
  readonly onProgress?: OnProgress;
}

/** Bytes of blocks that are kept while formats are chosen. */
export const KEPT_BYTES = 2 ** 29;
export const GENERATIONS = 12;
const SEED = 1;

/** @returns the format of each matrix, by name */
export async function allocate(
  checkpoint: Checkpoint,
  room: Room,
  options: AllocateOptions,
): Promise<Map<string, BlockFormat>> {
  const { generations = GENERATIONS, store } = options;
  const { candidates } = room;
  const allocation = await Allocation.create(checkpoint, candidates, options);
  try {
    const start = leastLoss(room, await allocation.sensitivities());
    const levels = generations > 0 ? await allocation.evolve(start, room, generations) : start;
    await store?.finish(levels);
    return chosenFormats(candidates, levels);
  } finally {
    allocation.dispose();
  }
}

/** A model whose matrices take one of their formats each. */
class Allocation {
  readonly #candidates: readonly Candidate[];
  readonly #options: AllocateOptions;
  readonly #model: Sensitivity;
  readonly #encoder: Matrices;
  /** Levels of the model as it is; undefined: a matrix in its own values. */
  readonly #now: (number | undefined)[];
  /** Blocks by tensor and format, of formats with a codebook: their search is by far the slowest. The oldest go first. */
  readonly #found = new Map<string, Uint8Array>();
  #foundBytes = 0;

  private constructor(
    candidates: readonly Candidate[],
    options: AllocateOptions,
    model: Sensitivity,
    encoder: Matrices,
  ) {
    this.#candidates = candidates;
    this.#options = options;
    this.#model = model;
    this.#encoder = encoder;
    this.#now = candidates.map(() => undefined);
  }

  static async create(checkpoint: Checkpoint, candidates: readonly Candidate[], options: AllocateOptions) {
    const encoder = await Matrices.create(options.threads);
    try {
      return new Allocation(candidates, options, await Sensitivity.create(checkpoint, options), encoder);
    } catch (error) {
      encoder.dispose();
      throw error;
    }
  }

  /**
   * Divergence of each matrix in each of its formats, the others having their own values. It is measured in two formats; that of the
   * others follows from their errors, to a power of which divergences are nearly proportional.
   */
  async sensitivities(): Promise<(readonly number[])[]> {
    const { store, onProgress } = this.#options;
    const losses: (readonly number[])[] = [];
    for (const [index, candidate] of this.#candidates.entries()) {
      const { tensor, formats } = candidate;
      let costs = store?.costs(tensor.name);
      if (!costs) {
        costs = formats.length === 1 ? [0] : await this.#costsOf(candidate);
        await store?.putCosts(tensor.name, costs);
      }
      losses.push(costs);
      const { length: total } = this.#candidates;
      onProgress?.({ stage: 'sensitivities', done: index + 1, total, unit: 'pieces', item: tensor.name });
    }
    return losses;
  }

  async #costsOf({ tensor, formats }: Candidate): Promise<number[]> {
    const values = await tensorValues(tensor);
    const measured = new Set([0, Math.floor(formats.length / 2)]);
    const points: Point[] = [];
    const errors: number[] = [];
    for (const [level, format] of formats.entries()) {
      this.#options.signal?.throwIfAborted();
      const quantized = this.#quantized(tensor, values, format);
      const error = this.#errorOf(tensor, values, quantized);
      errors.push(error);
      if (!measured.has(level)) continue;
      await this.#model.write(tensor.name, quantized);
      points.push({ error, divergence: await this.#model.divergence('some') });
    }
    await this.#model.write(tensor.name, values);
    return errors.map(powerLaw(points));
  }

  /** Improves the levels by the true divergence of whole models, within the room of all matrices. */
  async evolve(
    start: readonly number[],
    { costs, limit: budget, total }: Room,
    generations: number,
  ): Promise<readonly number[]> {
    const { store, onProgress } = this.#options;
    const { levels } = await evolve({
      ...{ costs, total, budget, start, generations, isOrdered: true, random: seededRandom(SEED) },
      evaluate: async (candidate, effort) => {
        const key = `${effort} ${candidate.join()}`;
        const known = store?.loss(key);
        if (known !== undefined) return known;
        await this.#take(candidate);
        const loss = await this.#model.divergence(effort === 1 ? 'all' : 'some');
        await store?.putLoss(key, loss);
        return loss;
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
    for (const [i, { tensor, formats }] of this.#candidates.entries()) {
      if (this.#now[i] === levels[i]) continue;
      this.#options.signal?.throwIfAborted();
      const quantized = this.#quantized(tensor, await tensorValues(tensor), formats[levels[i]]);
      await this.#model.write(tensor.name, quantized);
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
