/** Exponential function for x ≤ 0, several times faster than Math.exp. Softmax over a vocabulary needs it. */

/** Table entries per factor of two. */
const PARTS = 2048;
const PARTS_PER_UNIT = -PARTS * Math.LOG2E;
const UNITS_PER_PART = Math.LN2 / PARTS;
/** 2^−i */
const halvings = Float64Array.from({ length: 256 }, (_, i) => 2 ** -i);
/** 2^(−i/PARTS) */
const parts = Float64Array.from({ length: PARTS }, (_, i) => 2 ** (-i / PARTS));

/** Returns e^x for x ≤ 0 with seven correct digits. Returns 0 for NaN and below −176, where a softmax no longer changes. */
export function expNonPositive(x: number): number {
  if (!(x > -176)) return 0;
  const scaled = x * PARTS_PER_UNIT;
  const whole = scaled | 0;
  // the remainder is below one table step, so two terms of the series suffice
  return halvings[whole >> 11] * parts[whole & (PARTS - 1)] * (1 - (scaled - whole) * UNITS_PER_PART);
}
