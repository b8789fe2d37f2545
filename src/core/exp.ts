/** The exponential of numbers that are not positive, several times faster than Math.exp: for softmaxes over vocabularies. */

/** Parts of a halving. */
const PARTS = 2048;
const PARTS_PER_UNIT = -PARTS * Math.LOG2E;
const UNITS_PER_PART = Math.LN2 / PARTS;
/** 2^−i */
const halvings = Float64Array.from({ length: 256 }, (_, i) => 2 ** -i);
/** 2^(−i/PARTS) */
const parts = Float64Array.from({ length: PARTS }, (_, i) => 2 ** (-i / PARTS));

/** e^x for x ≤ 0, to seven digits; 0 below −176, where even doubles of it add nothing to a softmax, and for NaN. */
export function expNonPositive(x: number): number {
  if (!(x > -176)) return 0;
  const scaled = x * PARTS_PER_UNIT;
  const whole = scaled | 0;
  // what is left is less than a part: two terms of the series are enough
  return halvings[whole >> 11] * parts[whole & (PARTS - 1)] * (1 - (scaled - whole) * UNITS_PER_PART);
}
