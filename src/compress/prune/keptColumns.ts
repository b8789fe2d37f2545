/** Chooses the parts of a matrix's input that are kept, and fits the matrix to them. */
import type { Matrices } from '../matrix/matrices.ts';
import { type Channels, keptWeights, removalCosts } from './leastSquares.ts';

export interface KeptColumns {
  /** Indices of the kept parts, ascending. */
  readonly chosen: Int32Array;
  /** The matrix of the kept parts, [rows, kept · width]. */
  readonly weights: Float32Array;
  /** Warnings for a person. */
  readonly notes: readonly string[];
}

const NEVER_FIRED = 'its calibration never fired (all its inputs are 0), so the smallest weights were removed';
const FAILED = 'the factorization of its statistic failed (not positive definite), so';

/**
 * @param weights [rows, channels] of a matrix @param channels statistic of its inputs
 * @param part `width`: channels of a part, such as 1 for neurons; `kept`: number of parts that are kept
 */
export function keptColumns(
  matrices: Matrices,
  weights: Float32Array,
  channels: Channels,
  { width, kept }: { readonly width: number; readonly kept: number },
): KeptColumns {
  const exact = removalCosts(matrices, weights, channels);
  const chosen = dearest(exact ?? squaresOf(weights, channels), width, kept);
  const columns = Int32Array.from(
    { length: kept * width },
    (_, i) => chosen[Math.floor(i / width)] * width + (i % width),
  );
  const fitted = keptWeights(matrices, weights, channels, columns);
  const notes = [
    ...(isDead(channels) ? [NEVER_FIRED] : []),
    ...(exact ? [] : [`${FAILED} what is removed was chosen by the importance of each channel alone`]),
    ...(fitted ? [] : [`${FAILED} what was removed is not compensated`]),
  ];
  return { chosen, weights: fitted ?? columnsOf(weights, channels.size, columns), notes };
}

const isDead = ({ gram, size }: Channels): boolean => !gram.some((value, i) => i % (size + 1) === 0 && value > 0);

/** Costs by the diagonal of H alone. */
function squaresOf(weights: Float32Array, { gram, size }: Channels): Float32Array {
  const sums = new Float32Array(size);
  for (let i = 0; i < weights.length; i++) sums[i % size] += weights[i] ** 2 * gram[(i % size) * (size + 1)];
  return sums;
}

/** The `kept` parts of `width` channels whose costs add up to the most, ascending. */
function dearest(costs: Float32Array, width: number, kept: number): Int32Array {
  const sums = Array.from({ length: costs.length / width }, (_, part) =>
    costs.subarray(part * width, (part + 1) * width).reduce((sum, cost) => sum + cost, 0),
  );
  const order = [...sums.keys()].sort((a, b) => sums[b] - sums[a] || a - b);
  return Int32Array.from(order.slice(0, kept)).sort();
}

function columnsOf(weights: Float32Array, size: number, columns: Int32Array): Float32Array {
  const rows = weights.length / size;
  return Float32Array.from({ length: rows * columns.length }, (_, i) => {
    const row = Math.floor(i / columns.length);
    return weights[row * size + columns[i % columns.length]];
  });
}
