/**
 * Cycles of a matrix product on a systolic array, as SCALE-Sim counts them: the array is filled, fed and drained once for every fold of
 * the product, as it does not overlap folds. C [M, N] = A [M, K] · B [K, N].
 */

/** The operand that stays in the array: outputs, weights (B) or inputs (A). */
export type Dataflow = 'os' | 'ws' | 'is';

export interface SystolicArray {
  readonly rows: number;
  readonly columns: number;
  readonly dataflow: Dataflow;
}

export interface ProductSize {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

export function systolicCycles({ rows, columns, dataflow }: SystolicArray, { M, N, K }: ProductSize): number {
  const folds = (a: number, b: number) => Math.ceil(a / rows) * Math.ceil(b / columns);
  switch (dataflow) {
    case 'os':
      return folds(M, N) * (rows + columns + K - 2) - 1;
    // weights or inputs are loaded row by row first
    case 'ws':
      return folds(K, N) * (2 * rows + columns + M - 2) - 1;
    case 'is':
      return folds(K, M) * (2 * rows + columns + N - 2) - 1;
  }
}

/** Multiply-adds by those that the array could do in the same cycles, 0 … 1. */
export function utilization(array: SystolicArray, size: ProductSize): number {
  const { M, N, K } = size;
  return (M * N * K) / (systolicCycles(array, size) * array.rows * array.columns);
}
