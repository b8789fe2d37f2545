import { describe, expect, it } from 'vitest';
import { turns, turnsOf } from './turnsOfDistances.ts';

const values = (f: (distance: number) => number) => Float64Array.from({ length: 120 }, (_, distance) => f(distance));

/** Value minus the value at distance 0. */
function said(found: ReturnType<typeof turnsOf>, distance: number): number {
  const at = (d: number) =>
    found.reduce(
      (sum, { cosine, sine }, f) => sum + cosine * Math.cos(turns[f] * d) + sine * Math.sin(turns[f] * d),
      0,
    );
  return at(distance) - at(0);
}

describe('turns', () => {
  it('reproduce a sum of rotations', () => {
    const found = turnsOf(values((d) => 3 + 2 * Math.cos(turns[1] * d) - Math.sin(turns[1] * d)));
    for (const d of [1, 7, 30, 90])
      expect(said(found, d)).toBeCloseTo(2 * Math.cos(turns[1] * d) - Math.sin(turns[1] * d) - 2, 1);
  });

  it('approximate straight and curved lines', () => {
    for (const line of [(d: number) => 0.05 * d, (d: number) => -Math.sqrt(d + 1)]) {
      const found = turnsOf(values(line));
      for (const d of [2, 10, 50, 100])
        expect(Math.abs(said(found, d) - line(d) + line(0))).toBeLessThan(0.06 * Math.abs(line(119) - line(0)));
    }
  });
});
