/**
 * Quantizes one matrix in several ways and keeps the one with the least error on held-out calibration data:
 * - plain: the format's own encoder,
 * - weighted: its search for scales with the diagonal of H as importance,
 * - obs: rounding with compensation by all of H: onto grids (obs.ts), refined by coordinate descent (descent.ts), or onto vectors of
 *   codebooks (vectorObs.ts).
 */
import type { CheckpointTensor } from '../formats/checkpoint.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { Q4_0 } from '../tensor/quant/q4_0.ts';
import { channelOrder } from './channelOrder.ts';
import { encodeRows, encodeStored } from './encodeRows.ts';
import type { InputQuantiles } from './inputQuantiles.ts';
import { lowPlaneOf } from './lowPlane.ts';
import type { GridFormat } from './matrix/gridBlocks.ts';
import { damped, inverseCholesky } from './matrix/inverseCholesky.ts';
import { Matrices } from './matrix/matrices.ts';
import { type ObsOptions, quantizeByObs } from './obs.ts';
import type { Statistic } from './statistic.ts';
import { type CodebookBlocks, quantizeByVectorObs, vectorOrder } from './vectorObs.ts';

export type Method = 'copied' | 'plain' | 'weighted' | 'obs' | 'pruned';

export interface Solved {
  readonly bytes: Uint8Array;
  readonly method: Method;
  /** Squared error of the outputs on held-out data relative to the outputs' squares, by method. Empty without statistic. */
  readonly errors: Partial<Record<Method, number>>;
  /** Warnings for a person: dead channels, a factorization that failed. */
  readonly notes: readonly string[];
  /** Low plane of nested bits, if one was wanted. */
  readonly low?: Uint8Array;
  /** Quantiles of its input in the calibration text. */
  readonly input?: InputQuantiles;
}

/** Statistics of the inputs of a matrix. */
export interface Knowledge {
  readonly statistic?: Statistic;
  /** Importance of each column, [columns]: e.g. of an imatrix file. */
  readonly importance?: Float32Array;
}

export type Limits = Pick<ObsOptions, 'reach' | 'keepsZeros'>;

/** Rows that are judged, spread over the matrix. */
const JUDGED = 256;
/** Damping of H, relative to its mean diagonal. 5% is better than GPTQ's 1% with a few thousand tokens. */
const DAMPING = 0.05;
const ATTEMPTS = 3;

interface Factor {
  readonly order: Int32Array;
  /** Address of U: in panels of 8 columns for grids, row by row for codebooks. */
  readonly factor: number;
  readonly isDead: Uint8Array;
  /** Address of the damped H [n, n], in the channels' own order. */
  readonly gram: number;
  readonly notes: readonly string[];
}

export class Solver {
  readonly #matrices: Matrices;
  /** The factorization of the last statistic, for tensors that share their input. */
  #prepared: { readonly statistic: Statistic; readonly key: string; readonly factor: Factor | string } | undefined;

  private constructor(matrices: Matrices) {
    this.#matrices = matrices;
  }

  /** @param threads number of threads. Default: all */
  static async create(threads?: number): Promise<Solver> {
    return new Solver(await Matrices.create(threads));
  }

  /** Ends the threads. The solver cannot be used afterwards. */
  dispose(): void {
    this.#matrices.dispose();
  }

  /** @param values [rows, columns], finite @param limits of the integers that OBS chooses */
  quantize(
    values: Float32Array,
    columns: number,
    format: BlockFormat,
    { statistic, importance }: Knowledge,
    limits: Limits = {},
  ): Solved {
    const matrices = this.#matrices;
    if (this.#prepared?.statistic !== statistic) this.#forget();
    const encoded = (weights?: Float32Array) => encodeRows(matrices, values, columns, format, weights);
    const weights = statistic ? diagonalOf(statistic) : importance;
    if (!weights || !isSearched(format)) return { bytes: encoded(), method: 'plain', errors: {}, notes: [] };
    if (neverFired(weights)) return { bytes: encoded(), method: 'plain', errors: {}, notes: [NEVER_FIRED] };
    const weighted = encoded(floored(weights));
    if (!statistic) return { bytes: weighted, method: 'weighted', errors: {}, notes: [] };
    const plain = encoded();
    const notes: string[] = [];
    const candidates: [Method, Uint8Array][] = [
      ['plain', plain],
      ['weighted', weighted],
    ];
    const obs = this.#obs(values, format, statistic, notes, limits);
    if (obs) candidates.push(['obs', obs]);
    const errors = this.#errors(values, columns, format, candidates, statistic);
    const [method, bytes] = candidates.reduce((best, each) => (errors[each[0]]! < errors[best[0]]! ? each : best));
    return { bytes, method, errors, notes };
  }

  /**
   * Quantizes a stored tensor without a statistic, without reading it whole.
   * @param importance of each column @returns undefined if `quantize` has to do it, or if an element is not a finite number
   */
  async quantizeStored(
    tensor: CheckpointTensor,
    format: BlockFormat,
    importance: Float32Array | undefined,
    signal?: AbortSignal,
  ): Promise<Solved | undefined> {
    const isUseless = importance !== undefined && neverFired(importance);
    const weights = importance && isSearched(format) && !isUseless ? floored(importance) : undefined;
    const bytes = await encodeStored(this.#matrices, tensor, format, weights, signal);
    if (!bytes) return undefined;
    const notes = isUseless && isSearched(format) ? [NEVER_FIRED] : [];
    return { bytes, method: weights ? 'weighted' : 'plain', errors: {}, notes };
  }

  /** Returns the low plane of nested bits for a matrix that `quantize` has put in Q4_0. @param high its blocks */
  refine(values: Float32Array, columns: number, high: Uint8Array, { statistic }: Knowledge): Uint8Array {
    if (this.#prepared?.statistic !== statistic) this.#forget();
    const found = statistic && this.#factor(Q4_0 as GridFormat, statistic);
    return lowPlaneOf(this.#matrices, { values, columns, high, inputs: typeof found === 'string' ? undefined : found });
  }

  #obs(
    values: Float32Array,
    format: BlockFormat,
    statistic: Statistic,
    notes: string[],
    limits: Limits,
  ): Uint8Array | undefined {
    if (!format.grid && !format.codebook) return undefined;
    const factor = this.#factor(format, statistic);
    if (typeof factor === 'string') {
      notes.push(factor);
      return undefined;
    }
    notes.push(...factor.notes);
    if (format.codebook)
      return quantizeByVectorObs(this.#matrices, { ...factor, format: format as CodebookBlocks }, values);
    return quantizeByObs(this.#matrices, { ...factor, format: format as GridFormat, ...limits }, values);
  }

  #forget(): void {
    this.#prepared = undefined;
    this.#matrices.clear();
  }

  /** Returns the factorization, or why there is none. */
  #factor({ blockSize, grid }: BlockFormat, statistic: Statistic): Factor | string {
    const key = `${blockSize} ${grid?.groupSize ?? 'vectors'}`;
    if (this.#prepared?.statistic === statistic && this.#prepared.key === key) return this.#prepared.factor;
    const factor = this.#factorize(blockSize, grid?.groupSize, statistic);
    this.#prepared = { statistic, key, factor };
    return factor;
  }

  /** @param groupSize undefined for formats with a codebook */
  #factorize(blockSize: number, groupSize: number | undefined, statistic: Statistic): Factor | string {
    const { gram: sums, size: n } = statistic;
    const diagonal = diagonalOf(statistic);
    const isDead = Uint8Array.from(diagonal, (value) => Number(value === 0));
    const dead = isDead.reduce((sum, each) => sum + each, 0);
    const notes = dead > 0 ? [`${dead} of ${n} input channels were 0 in all calibration tokens`] : [];
    const mean = diagonal.reduce((sum, value) => sum + value, 0) / n;
    const order = groupSize ? channelOrder(diagonal, blockSize, groupSize) : vectorOrder(diagonal, blockSize);
    const matrices = this.#matrices;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const damping = DAMPING * 10 ** attempt * mean;
      matrices.clear();
      const gram = matrices.allocate(n * n);
      const factor = matrices.allocate(n * n);
      const mark = matrices.mark();
      const rows = inverseCholesky(matrices, { gram: sums, size: n, order, damping });
      if (rows === undefined) continue;
      const { floats } = matrices;
      if (groupSize) matrices.panels(rows, n, n, factor);
      else floats.copyWithin(factor, rows, rows + n * n);
      matrices.release(mark);
      floats.set(sums, gram);
      for (let i = 0; i < n; i++) floats[gram + i * n + i] = damped(sums[i * n + i], damping);
      if (attempt > 0) notes.push(`its statistic needed ${10 ** attempt} times the usual damping`);
      return { order, factor, isDead, gram, notes };
    }
    return 'the factorization of its statistic failed (not positive definite), so it was quantized without compensation';
  }

  /** Σ e H eᵀ / Σ w H wᵀ of each candidate, with the held-out H, over some of the rows. */
  #errors(
    values: Float32Array,
    columns: number,
    format: BlockFormat,
    candidates: readonly (readonly [Method, Uint8Array])[],
    { heldOut }: Statistic,
  ): Partial<Record<Method, number>> {
    const rows = values.length / columns;
    const judged = Math.min(rows, JUDGED);
    const decoded = new Float32Array(columns);
    const rowBlocks = columns / format.blockSize;
    const matrices = this.#matrices;
    const mark = matrices.mark();
    const size = judged * columns;
    const count = (candidates.length + 1) * size;
    const h = matrices.allocate(columns * columns);
    const left = matrices.allocate(count);
    const product = matrices.allocate(count);
    const { floats } = matrices;
    floats.set(heldOut, h);
    for (let i = 0; i < judged; i++) {
      const row = Math.floor((i * rows) / judged);
      const from = values.subarray(row * columns, (row + 1) * columns);
      floats.set(from, left + i * columns);
      for (const [index, [, bytes]] of candidates.entries()) {
        format.decode(bytes, row * rowBlocks * format.blockBytes, decoded, 0, rowBlocks);
        const to = left + (index + 1) * size + i * columns;
        for (let j = 0; j < columns; j++) floats[to + j] = from[j] - decoded[j];
      }
    }
    floats.fill(0, product, product + count);
    const view = (at: number) => ({ at, stride: columns });
    matrices.subtractProduct(view(product), view(left), view(h), count / columns, columns, columns);
    const sums = Array.from({ length: candidates.length + 1 }, (_, index) => {
      let sum = 0;
      for (let i = index * size; i < (index + 1) * size; i++) sum -= floats[left + i] * floats[product + i];
      return sum;
    });
    matrices.release(mark);
    const whole = sums[0] > 0 ? sums[0] : 1;
    return Object.fromEntries(candidates.map(([method], index) => [method, sums[index + 1] / whole]));
  }
}

/** Formats with something to search. Floats have no scales, and at 8 bits there is nothing left to gain. */
export function isSearched({ grid, codebook }: BlockFormat): boolean {
  return codebook !== undefined || (grid !== undefined && grid.highest - grid.lowest < 255);
}

const NEVER_FIRED = 'its calibration never fired: the importance of every channel is 0';

const neverFired = (weights: Float32Array): boolean => weights.every((weight) => weight === 0);

function diagonalOf({ gram, size }: Statistic): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => gram[i * size + i]);
}

/** Channels of little importance still count a little, so that their weights stay in range. */
function floored(weights: Float32Array): Float32Array {
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
  return weights.map((weight) => Math.max(weight, 1e-4 * mean));
}
