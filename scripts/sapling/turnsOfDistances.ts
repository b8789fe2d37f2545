/**
 * Fits functions of the distance between two tokens by sums of rotations, which rotary embeddings can represent:
 *
 *     f(d) ≈ constant + Σ a_f cos(t_f d) + b_f sin(t_f d)
 */

/** Radians per position. Of 24 candidates, these fit chat-3m's learned positions best, which are nearly straight lines. */
export const turns: readonly number[] = [13, 15, 19, 23].map((power) => 3 * 0.8 ** power);

export interface Turning {
  readonly cosine: number;
  readonly sine: number;
}

/** Weighted least squares; near distances count more. @param values values at distances 0, 1, … @returns coefficients, one per frequency of `turns` */
export function turnsOf(values: Float64Array): Turning[] {
  const size = 1 + 2 * turns.length;
  const system = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size + 1 }, (_, j) => (i === j ? RIDGE : 0)),
  );
  for (const [distance, value] of values.entries()) {
    const basis = [1, ...turns.flatMap((turn) => [Math.cos(turn * distance), Math.sin(turn * distance)]), value];
    for (let i = 0; i < size; i++)
      for (let j = 0; j <= size; j++) system[i][j] += (basis[i] * basis[j]) / (distance + 3);
  }
  const solution = solved(system);
  return turns.map((_, f) => ({ cosine: solution[1 + 2 * f], sine: solution[2 + 2 * f] }));
}

/** Regularization, which keeps coefficients small for similar frequencies. */
const RIDGE = 1e-3;

/** Gauss–Jordan elimination with pivoting. @param system rows of coefficients with the right side last; changed in place */
function solved(system: number[][]): number[] {
  const size = system.length;
  for (let i = 0; i < size; i++) {
    let pivot = i;
    for (let row = i + 1; row < size; row++) if (Math.abs(system[row][i]) > Math.abs(system[pivot][i])) pivot = row;
    [system[i], system[pivot]] = [system[pivot], system[i]];
    for (let row = 0; row < size; row++) {
      if (row === i) continue;
      const factor = system[row][i] / system[i][i];
      for (let column = i; column <= size; column++) system[row][column] -= factor * system[i][column];
    }
  }
  return system.map((row, i) => row[size] / row[i]);
}
