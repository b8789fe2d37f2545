import { describe, expect, it } from 'vitest';
import { expNonPositive } from './exp.ts';

describe('expNonPositive', () => {
  it('agrees with Math.exp to seven digits', () => {
    for (let x = 0; x > -175; x -= 0.0137) expect(Math.abs(expNonPositive(x) / Math.exp(x) - 1)).toBeLessThan(1e-7);
    expect(expNonPositive(0)).toBe(1);
  });

  it('returns 0 for large negative numbers and NaN', () => {
    for (const x of [-176, -1e9, Number.NEGATIVE_INFINITY, Number.NaN]) expect(expNonPositive(x)).toBe(0);
  });
});
