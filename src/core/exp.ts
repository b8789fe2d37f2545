/** The exponential of numbers that are not positive, several times faster than Math.exp: for softmaxes over vocabularies. */

/** 2^−i */
const powers = Float64Array.from({ length: 256 }, (_, i) => 2 ** -i);

/** e^x for x ≤ 0, to eight digits; 0 below −176, where even doubles of it add nothing to a softmax. */
export function expNonPositive(x: number): number {
  if (!(x > -176)) return 0;
  const halvings = (0.5 - x * Math.LOG2E) | 0;
  // |u| ≤ ln 2 / 2: eight terms of the series are enough
  const u = x + halvings * Math.LN2;
  const series = 1 + u * (1 + (u / 2) * (1 + (u / 3) * (1 + (u / 4) * (1 + (u / 5) * (1 + (u / 6) * (1 + u / 7))))));
  return series * powers[halvings];
}
