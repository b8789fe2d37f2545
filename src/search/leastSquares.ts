/** Least squares with coefficients that are not negative, as costs are. */

/** A measured value and the features that explain it: value ≈ Σ coefficient · feature. */
export interface Observation {
  readonly features: readonly number[];
  /** Above 0. */
  readonly value: number;
}

const ROUNDS = 400;

/**
 * Minimizes the relative errors by coordinate descent, which is exact for a convex problem of so few unknowns.
 * @returns one coefficient per feature; 0 for a feature that is always 0
 */
export function fitNonNegative(observations: readonly Observation[], count: number): number[] {
  const scaled = observations
    .filter(({ value }) => value > 0)
    .map(({ features, value }) => features.map((feature) => feature / value));
  // columns of very different size converge badly
  const sizes = Array.from({ length: count }, (_, i) => Math.hypot(...scaled.map((row) => row[i] ?? 0)));
  const rows = scaled.map((row) => row.map((feature, i) => (sizes[i] > 0 ? feature / sizes[i] : 0)));
  const coefficients = new Array<number>(count).fill(0);
  const residuals = rows.map(() => 1);
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < count; i++) {
      if (!(sizes[i] > 0)) continue;
      let slope = 0;
      for (const [r, row] of rows.entries()) slope += row[i] * residuals[r];
      const next = Math.max(0, coefficients[i] + slope);
      const change = next - coefficients[i];
      coefficients[i] = next;
      if (change !== 0) for (const [r, row] of rows.entries()) residuals[r] = residuals[r] - change * row[i];
    }
  }
  return coefficients.map((coefficient, i) => (sizes[i] > 0 ? coefficient / sizes[i] : 0));
}
