/**
 * Sets weights of a matrix to zero:
 * - magnitude: the smallest of the matrix,
 * - wanda: in each row those with the least |w| · √H_jj (Sun et al. 2023),
 * - sparsegpt: by OBS, in blocks of channels those whose removal costs least, compensated by the channels after them
 *   (Frantar and Alistarh 2023); with the same inverse factor that quantizing uses.
 * H is that of all windows: nothing is judged on those that are held out.
 * With a pattern of N:M, N of every M consecutive weights of a row are kept.
 */
import { inverseCholesky } from '../matrix/inverseCholesky.ts';
import { Matrices } from '../matrix/matrices.ts';
import { gramOfAll, type Statistic } from '../statistic.ts';

export type PruningMethod = 'magnitude' | 'wanda' | 'sparsegpt';

export interface Sparsity {
  /** Share of zeros, 0 … 1. Of a pattern N:M it is 1 − N/M. */
  readonly share: number;
  /** Keeps `keep` of every `of` consecutive weights. */
  readonly pattern?: { readonly keep: number; readonly of: number };
}

/** Maximum number of channels that SparseGPT decides about at a time. */
const BLOCK = 128;
const CHUNK = 64;
/** Damping of H, relative to its mean diagonal. */
const DAMPING = 0.01;

export class Pruner {
  readonly #matrices: Matrices;
  #prepared: { readonly statistic: Statistic; readonly factor: number | undefined } | undefined;

  private constructor(matrices: Matrices) {
    this.#matrices = matrices;
  }

  /** @param threads number of threads. Default: all */
  static async create(threads?: number): Promise<Pruner> {
    return new Pruner(await Matrices.create(threads));
  }

  /** Ends the threads. The pruner cannot be used afterwards. */
  dispose(): void {
    this.#matrices.dispose();
  }

  /** @param values [rows, columns], changed in place @returns false if SparseGPT's factorization failed; Wanda was used then */
  prune(
    values: Float32Array,
    columns: number,
    method: PruningMethod,
    sparsity: Sparsity,
    statistic: Statistic | undefined,
  ): boolean {
    if (method === 'magnitude' || !statistic) {
      zeroLeast(values, columns, sparsity, values.map(Math.abs), sparsity.pattern ? columns : values.length);
      return true;
    }
    const factor = method === 'sparsegpt' ? this.#factor(statistic) : undefined;
    if (factor === undefined) {
      const { gram, heldOut, size } = statistic;
      // only the diagonal of gramOfAll, which has n² elements
      const norms = Float32Array.from({ length: size }, (_, j) => gram[j * (size + 1)] + heldOut[j * (size + 1)]);
      const scores = values.map((value, i) => Math.abs(value) * Math.sqrt(norms[i % columns]));
      zeroLeast(values, columns, sparsity, scores, columns);
      return method === 'wanda';
    }
    this.#compensated(values, columns, sparsity, factor);
    return true;
  }

  #factor(statistic: Statistic): number | undefined {
    if (this.#prepared?.statistic === statistic) return this.#prepared.factor;
    const { size } = statistic;
    const gram = gramOfAll(statistic);
    this.#matrices.clear();
    let mean = 0;
    for (let i = 0; i < size; i++) mean += gram[i * (size + 1)] / size;
    const order = Int32Array.from({ length: size }, (_, i) => i);
    const factor =
      mean > 0 ? inverseCholesky(this.#matrices, { gram, size, order, damping: DAMPING * mean }) : undefined;
    this.#prepared = { statistic, factor };
    return factor;
  }

  #compensated(values: Float32Array, n: number, sparsity: Sparsity, u: number): void {
    const matrices = this.#matrices;
    // whole groups, because a block starts a new one
    const group = sparsity.pattern?.of ?? 1;
    const size = group * Math.floor(BLOCK / group);
    const mark = matrices.mark();
    const w = matrices.allocate(CHUNK * n);
    const e = matrices.allocate(CHUNK * BLOCK);
    for (let from = 0; from < values.length; from += CHUNK * n) {
      const part = values.subarray(from, from + CHUNK * n);
      const rows = part.length / n;
      matrices.floats.set(part, w);
      for (let first = 0; first < n; first += size)
        this.#block(w, e, u, rows, n, first, Math.min(size, n - first), sparsity);
      part.set(matrices.floats.subarray(w, w + part.length));
    }
    matrices.release(mark);
  }

  /** Prunes a block of channels in all rows, and compensates in the channels after it. */
  #block(
    w: number,
    e: number,
    u: number,
    rows: number,
    n: number,
    first: number,
    width: number,
    { share, pattern }: Sparsity,
  ): void {
    const matrices = this.#matrices;
    const { floats } = matrices;
    const isPruned = new Uint8Array(rows * width);
    const cost = (row: number, i: number): number => {
      const p = first + i;
      return (floats[w + row * n + p] / floats[u + p * n + p]) ** 2;
    };
    if (!pattern) {
      const costs = Float32Array.from(isPruned, (_, at) => cost(Math.floor(at / width), at % width));
      for (const at of leastOf(costs, 0, costs.length, Math.round(share * costs.length))) isPruned[at] = 1;
    }
    for (let i = 0; i < width; i++) {
      // a group's choice is made when it is reached, with the weights as compensated so far
      if (pattern && i % pattern.of === 0) {
        const size = Math.min(pattern.of, width - i);
        for (let row = 0; row < rows; row++) {
          const costs = Float32Array.from({ length: size }, (_, k) => cost(row, i + k));
          for (const k of leastOf(costs, 0, size, Math.max(0, size - pattern.keep))) isPruned[row * width + i + k] = 1;
        }
      }
      const p = first + i;
      const diagonal = floats[u + p * n + p];
      for (let row = 0; row < rows; row++) {
        const at = w + row * n + p;
        const error = isPruned[row * width + i] ? floats[at] / diagonal : 0;
        floats[e + row * BLOCK + i] = error;
        if (error === 0) continue;
        floats[at] = 0;
        for (let k = 1; k < width - i; k++) floats[at + k] -= error * floats[u + p * n + p + k];
      }
    }
    // what was pruned stays exactly zero
    for (let at = 0; at < isPruned.length; at++)
      if (isPruned[at]) floats[w + Math.floor(at / width) * n + first + (at % width)] = 0;
    const next = first + width;
    const to = { at: w + next, stride: n };
    matrices.subtractProduct(
      to,
      { at: e, stride: BLOCK },
      { at: u + first * n + next, stride: n },
      rows,
      width,
      n - next,
    );
  }
}

/** Zeroes the weights with the least scores of each span, a row or the whole matrix; with a pattern, of each of its groups. */
function zeroLeast(
  values: Float32Array,
  columns: number,
  sparsity: Sparsity,
  scores: Float32Array,
  span: number,
): void {
  const { pattern, share } = sparsity;
  const size = pattern ? pattern.of : span;
  for (let row = 0; row < values.length; row += span)
    for (let from = row; from < row + span; from += size) {
      const end = Math.min(from + size, pattern ? row + columns : row + span);
      const count = pattern ? Math.max(0, end - from - pattern.keep) : Math.round(share * (end - from));
      for (const at of leastOf(scores, from, end, count)) values[at] = 0;
    }
}

/** Indices of the `count` least scores in a range; of equal ones the first. */
function leastOf(scores: Float32Array, from: number, end: number, count: number): Int32Array {
  const all = Int32Array.from({ length: end - from }, (_, i) => from + i);
  return all.sort((a, b) => scores[a] - scores[b] || a - b).subarray(0, count);
}
