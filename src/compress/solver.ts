/**
 * Quantizes one matrix in several ways and keeps the one with the least error on held-out calibration data:
 * - plain: the format's own encoder,
 * - weighted: its search for scales with the diagonal of H as importance,
 * - obs: rounding with compensation by all of H (obs.ts), refined by coordinate descent (descent.ts).
 */
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { channelOrder } from './channelOrder.ts';
import { descend } from './descent.ts';
import { inverseCholesky } from './matrix/inverseCholesky.ts';
import { Matrices } from './matrix/matrices.ts';
import { type GridFormat, quantizeByObs } from './obs.ts';
import type { Statistic } from './statistic.ts';

export type Method = 'copied' | 'plain' | 'weighted' | 'obs' | 'pruned';

export interface Solved {
  readonly bytes: Uint8Array;
  readonly method: Method;
  /** Squared error of the outputs on held-out data relative to the outputs' squares, by method. Empty without statistic. */
  readonly errors: Partial<Record<Method, number>>;
  /** What a person should know: dead channels, a factorization that failed. */
  readonly notes: readonly string[];
}

/** What is known about the inputs of a matrix. */
export interface Knowledge {
  readonly statistic?: Statistic;
  /** Importance of each column, [columns]: e.g. of an imatrix file. */
  readonly importance?: Float32Array;
}

/** Rows that are solved at a time. */
const CHUNK = 64;
/** Rows that are judged, spread over the matrix. */
const JUDGED = 256;
/** Damping of H, relative to its mean diagonal. 5% is better than GPTQ's 1% with a few thousand tokens. */
const DAMPING = 0.05;
const ATTEMPTS = 3;

interface Factor {
  readonly order: Int32Array;
  readonly address: number;
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

  static async create(): Promise<Solver> {
    return new Solver(await Matrices.create());
  }

  /** @param values [rows, columns], finite */
  quantize(values: Float32Array, columns: number, format: BlockFormat, { statistic, importance }: Knowledge): Solved {
    const rows = values.length / columns;
    const plain = encode(values, columns, format, undefined);
    const weights = statistic ? diagonalOf(statistic) : importance;
    if (!weights || !isSearched(format)) return { bytes: plain, method: 'plain', errors: {}, notes: [] };
    if (weights.every((weight) => weight === 0)) {
      const note = 'its calibration never fired: the importance of every channel is 0';
      return { bytes: plain, method: 'plain', errors: {}, notes: [note] };
    }
    const weighted = encode(values, columns, format, floored(weights));
    if (!statistic) return { bytes: weighted, method: 'weighted', errors: {}, notes: [] };
    const notes: string[] = [];
    const candidates: [Method, Uint8Array][] = [
      ['plain', plain],
      ['weighted', weighted],
    ];
    if (format.grid) {
      const obs = this.#obs(values, columns, format as GridFormat, statistic, notes);
      if (obs) candidates.push(['obs', obs]);
    }
    const errors: Partial<Record<Method, number>> = {};
    for (const [method, bytes] of candidates)
      errors[method] = this.#error(values, rows, columns, format, bytes, statistic);
    const [method, bytes] = candidates.reduce((best, each) => (errors[each[0]]! < errors[best[0]]! ? each : best));
    return { bytes, method, errors, notes };
  }

  #obs(
    values: Float32Array,
    columns: number,
    format: GridFormat,
    statistic: Statistic,
    notes: string[],
  ): Uint8Array | undefined {
    const factor = this.#factor(format, statistic);
    if (typeof factor === 'string') {
      notes.push(factor);
      return undefined;
    }
    notes.push(...factor.notes);
    const { order, address, isDead, gram } = factor;
    const rows = values.length / columns;
    const rowBytes = (columns / format.blockSize) * format.blockBytes;
    const bytes = new Uint8Array(rows * rowBytes);
    const matrices = this.#matrices;
    const mark = matrices.mark();
    const weights = matrices.allocate(CHUNK * columns);
    const errors = matrices.allocate(CHUNK * columns);
    for (let row = 0; row < rows; row += CHUNK) {
      const count = Math.min(CHUNK, rows - row);
      const part = values.subarray(row * columns, (row + count) * columns);
      const to = bytes.subarray(row * rowBytes, (row + count) * rowBytes);
      const blocks = quantizeByObs(matrices, { format, order, factor: address, isDead, weights, errors }, part, count);
      descend(matrices, { format, gram, isDead, errors: weights, products: errors }, part, count, blocks, to);
    }
    matrices.release(mark);
    return bytes;
  }

  /** Returns the factorization, or why there is none. */
  #factor({ blockSize, grid }: GridFormat, statistic: Statistic): Factor | string {
    const key = `${blockSize} ${grid.groupSize}`;
    if (this.#prepared?.statistic === statistic && this.#prepared.key === key) return this.#prepared.factor;
    const factor = this.#factorize(blockSize, grid.groupSize, statistic);
    this.#prepared = { statistic, key, factor };
    return factor;
  }

  #factorize(blockSize: number, groupSize: number, statistic: Statistic): Factor | string {
    const { gram: sums, size: n } = statistic;
    const diagonal = diagonalOf(statistic);
    const isDead = Uint8Array.from(diagonal, (value) => Number(value === 0));
    const dead = isDead.reduce((sum, each) => sum + each, 0);
    const notes = dead > 0 ? [`${dead} of ${n} input channels were 0 in all calibration tokens`] : [];
    const mean = diagonal.reduce((sum, value) => sum + value, 0) / n;
    const order = channelOrder(diagonal, blockSize, groupSize);
    const matrices = this.#matrices;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const damping = DAMPING * 10 ** attempt * mean;
      matrices.clear();
      const gram = matrices.allocate(n * n);
      const address = inverseCholesky(matrices, { gram: sums, size: n, order, damping });
      if (address === undefined) continue;
      const { floats } = matrices;
      floats.set(sums, gram);
      for (let i = 0; i < n; i++) floats[gram + i * n + i]! += isDead[i] ? 1 : damping;
      if (attempt > 0) notes.push(`its statistic needed ${10 ** attempt} times the usual damping`);
      return { order, address, isDead, gram, notes };
    }
    return 'the factorization of its statistic failed (not positive definite), so it was quantized without compensation';
  }

  /** Σ e H eᵀ / Σ w H wᵀ with the held-out H, over some of the rows. */
  #error(
    values: Float32Array,
    rows: number,
    columns: number,
    format: BlockFormat,
    bytes: Uint8Array,
    { heldOut }: Statistic,
  ): number {
    const judged = Math.min(rows, JUDGED);
    const decoded = new Float32Array(columns);
    const rowBlocks = columns / format.blockSize;
    const matrices = this.#matrices;
    const mark = matrices.mark();
    const h = matrices.allocate(columns * columns);
    const left = matrices.allocate(2 * judged * columns);
    const product = matrices.allocate(2 * judged * columns);
    const { floats } = matrices;
    floats.set(heldOut, h);
    for (let i = 0; i < judged; i++) {
      const row = Math.floor((i * rows) / judged);
      format.decode(bytes, row * rowBlocks * format.blockBytes, decoded, 0, rowBlocks);
      for (let j = 0; j < columns; j++) {
        const value = values[row * columns + j]!;
        floats[left + i * columns + j] = value - decoded[j]!;
        floats[left + (judged + i) * columns + j] = value;
      }
    }
    floats.fill(0, product, product + 2 * judged * columns);
    const view = (at: number) => ({ at, stride: columns });
    matrices.subtractProduct(view(product), view(left), view(h), 2 * judged, columns, columns);
    const sums = [0, 0];
    for (let i = 0; i < 2 * judged * columns; i++)
      sums[i < judged * columns ? 0 : 1]! -= floats[left + i]! * floats[product + i]!;
    matrices.release(mark);
    return sums[1]! > 0 ? sums[0]! / sums[1]! : sums[0]!;
  }
}

/** Formats with something to search. Floats have no scales, and at 8 bits there is nothing left to gain. */
export function isSearched({ grid }: BlockFormat): boolean {
  return grid !== undefined && grid.highest - grid.lowest < 255;
}

function diagonalOf({ gram, size }: Statistic): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => gram[i * size + i]!);
}

/** Channels of little importance still count a little, so that their weights stay in range. */
function floored(weights: Float32Array): Float32Array {
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
  return weights.map((weight) => Math.max(weight, 1e-4 * mean));
}

/** Encodes rows with the same importance of columns. */
export function encode(
  values: Float32Array,
  columns: number,
  format: BlockFormat,
  importance: Float32Array | undefined,
): Uint8Array {
  const rows = values.length / columns;
  const blocks = columns / format.blockSize;
  const bytes = new Uint8Array(rows * blocks * format.blockBytes);
  if (!importance) {
    format.encode(values, 0, bytes, 0, rows * blocks);
    return bytes;
  }
  for (let row = 0; row < rows; row++) {
    const part = values.subarray(row * columns, (row + 1) * columns);
    format.encode(part, 0, bytes, row * blocks * format.blockBytes, blocks, importance);
  }
  return bytes;
}
