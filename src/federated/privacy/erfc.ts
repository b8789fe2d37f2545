/** The complementary error function, without underflow. */

/** Returns log(erfc(x) / 2), with about the precision of a double (Numerical Recipes, erfccheb). */
export function logHalfErfc(x: number): number {
  if (x < 0) return Math.log1p(-Math.exp(logHalfErfc(-x)));
  const t = 2 / (2 + x);
  const y = 4 * t - 2;
  let [d, dd] = [0, 0];
  for (let j = COEFFICIENTS.length - 1; j > 0; j--) [d, dd] = [y * d - dd + COEFFICIENTS[j], d];
  return Math.log(t / 2) - x * x + 0.5 * (COEFFICIENTS[0] + y * d) - dd;
}

/** Chebyshev coefficients of log(erfc(x) · exp(x²) / t). */
const COEFFICIENTS = [
  -1.3026537197817094, 0.6419697923564902, 1.9476473204185836e-2, -9.561514786808631e-3, -9.46595344482036e-4,
  3.66839497852761e-4, 4.2523324806907e-5, -2.0278578112534e-5, -1.624290004647e-6, 1.30365583558e-6, 1.5626441722e-8,
  -8.5238095915e-8, 6.529054439e-9, 5.059343495e-9, -9.91364156e-10, -2.27365122e-10, 9.6467911e-11, 2.394038e-12,
  -6.886027e-12, 8.94487e-13, 3.13092e-13, -1.12708e-13, 3.81e-16, 7.106e-15, -1.523e-15, -9.4e-17, 1.21e-16, -2.8e-17,
];
