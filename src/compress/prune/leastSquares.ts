/** OBS on whole channels: the cost of removing each, and the weights with which the others compensate. */
import { damped, inverseCholesky } from '../matrix/inverseCholesky.ts';
import type { Matrices } from '../matrix/matrices.ts';

export interface Channels {
  /** H = Σ x xᵀ [n, n] of the channels. */
  readonly gram: Float32Array;
  readonly size: number;
}

/** Damping of H, relative to its mean diagonal. */
const DAMPING = 0.01;

function dampingOf({ gram, size }: Channels): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += gram[i * size + i];
  return (DAMPING * sum) / size;
}

/** Diagonal of the damped H. */
const diagonal = ({ gram, size }: Channels, i: number, damping: number): number => damped(gram[i * size + i], damping);

/**
 * Squared error of the outputs if one channel is removed and the others compensate: Σ w² / (H⁻¹)_jj, for each channel.
 * @param weights [rows, n] @returns [n]; undefined if H is not positive definite
 */
export function removalCosts(matrices: Matrices, weights: Float32Array, channels: Channels): Float32Array | undefined {
  const { gram, size: n } = channels;
  const mark = matrices.mark();
  try {
    const order = Int32Array.from({ length: n }, (_, i) => i);
    const u = inverseCholesky(matrices, { gram, size: n, order, damping: dampingOf(channels) });
    if (u === undefined) return undefined;
    const inverse = new Float64Array(n);
    const { floats } = matrices;
    for (let i = 0; i < n; i++) for (let j = i; j < n; j++) inverse[j] += floats[u + i * n + j] ** 2;
    const squares = new Float64Array(n);
    for (let at = 0; at < weights.length; at += n) for (let j = 0; j < n; j++) squares[j] += weights[at + j] ** 2;
    return Float32Array.from(squares, (sum, j) => sum / inverse[j]);
  } finally {
    matrices.release(mark);
  }
}

/**
 * Weights of the kept channels that change the outputs least: W·H[:, K]·(H[K, K])⁻¹.
 * @param weights [rows, n] @param kept indices of the channels, ascending @returns [rows, kept]; undefined if H is not positive definite
 */
export function keptWeights(
  matrices: Matrices,
  weights: Float32Array,
  channels: Channels,
  kept: Int32Array,
): Float32Array | undefined {
  const { gram, size: n } = channels;
  const k = kept.length;
  const rows = weights.length / n;
  const damping = dampingOf(channels);
  const own = new Float32Array(k * k);
  for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) own[i * k + j] = gram[kept[i] * n + kept[j]];
  const mark = matrices.mark();
  try {
    const order = Int32Array.from({ length: k }, (_, i) => i);
    const u = inverseCholesky(matrices, { gram: own, size: k, order, damping });
    if (u === undefined) return undefined;
    const [w, columns, turned] = [rows * n, n * k, k * k].map((count) => matrices.allocate(count)) as [
      number,
      number,
      number,
    ];
    const [first, second] = [matrices.allocate(rows * k), matrices.allocate(rows * k)];
    const { floats } = matrices;
    floats.set(weights, w);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < k; j++)
        floats[columns + i * k + j] = i === kept[j] ? diagonal(channels, i, damping) : gram[i * n + kept[j]];
    for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) floats[turned + j * k + i] = floats[u + i * k + j];
    // −W·H[:, K], then that times −Uᵀ, then times −U: UᵀU is the inverse
    floats.fill(0, first, first + rows * k);
    matrices.subtractProduct({ at: first, stride: k }, { at: w, stride: n }, { at: columns, stride: k }, rows, n, k);
    floats.fill(0, second, second + rows * k);
    matrices.subtractProduct(
      { at: second, stride: k },
      { at: first, stride: k },
      { at: turned, stride: k },
      rows,
      k,
      k,
    );
    floats.fill(0, first, first + rows * k);
    matrices.subtractProduct({ at: first, stride: k }, { at: second, stride: k }, { at: u, stride: k }, rows, k, k);
    return Float32Array.from({ length: rows * k }, (_, i) => -floats[first + i]);
  } finally {
    matrices.release(mark);
  }
}
