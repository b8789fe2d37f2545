import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bfloat16ToFloat, floatToBfloat16, floatToHalf, halfToFloat } from './half.ts';

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** Returns the f32 with these bits. */
function floatOf(bits: number): number {
  u32[0] = bits;
  return f32[0];
}

describe('half floats', () => {
  it('survive a round trip, all 65,536 of them', () => {
    for (let half = 0; half < 65536; half++) {
      const value = halfToFloat(half);
      if (Number.isNaN(value)) expect(floatToHalf(value) & 0x7c00).toBe(0x7c00);
      // one call of expect per value would dominate the test's time
      else if (floatToHalf(value) !== half) expect(floatToHalf(value)).toBe(half);
    }
  });

  it('have the values that IEEE 754 defines', () => {
    expect([0x0000, 0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x03ff, 0x3555, 0x7c00, 0xfc00].map(halfToFloat)).toEqual([
      0,
      1,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      1023 * 2 ** -24,
      1365 / 4096,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ]);
    expect(halfToFloat(0x8000)).toBe(-0);
    expect(halfToFloat(0x7e00)).toBeNaN();
    expect(halfToFloat(0x7c01)).toBeNaN();
  });

  it('round to nearest, ties to even, at the edges of the range', () => {
    const cases: [number, number][] = [
      [65519.99, 0x7bff],
      [65520, 0x7c00],
      [-65520, 0xfc00],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [1 + 2 ** -11 + 2 ** -20, 0x3c01],
      [2 ** -25, 0x0000],
      [2 ** -25 * 1.001, 0x0001],
      [3 * 2 ** -25, 0x0002],
      [2 ** -14 - 2 ** -26, 0x0400],
      [-(2 ** -24), 0x8001],
      [1e-30, 0x0000],
      [-0, 0x8000],
    ];
    for (const [value, half] of cases) expect([value, floatToHalf(value)]).toEqual([value, half]);
    expect(floatToHalf(Number.NaN) & 0x7fff).toBe(0x7e00);
  });

  it('are the nearest half to any float', () => {
    fc.assert(
      fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const half = floatToHalf(value);
        const error = Math.abs(halfToFloat(half) - value);
        for (const neighbour of [half - 1, half + 1]) {
          const other = halfToFloat(neighbour & 0xffff);
          if (Number.isFinite(other)) expect(error).toBeLessThanOrEqual(Math.abs(other - value));
        }
      }),
      { numRuns: 5000, seed: 1 },
    );
  });
});

describe('bfloat16', () => {
  it('survives a round trip, all 65,536 values', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = bfloat16ToFloat(bits);
      if (Number.isNaN(value)) expect(floatToBfloat16(value) & 0x7f80).toBe(0x7f80);
      else if (floatToBfloat16(value) !== bits) expect(floatToBfloat16(value)).toBe(bits);
    }
  });

  it('is the upper half of an f32, rounded to nearest, ties to even', () => {
    expect(bfloat16ToFloat(0x3fc0)).toBe(1.5);
    expect(floatToBfloat16(floatOf(0x3f808000))).toBe(0x3f80);
    expect(floatToBfloat16(floatOf(0x3f818000))).toBe(0x3f82);
    expect(floatToBfloat16(floatOf(0x3f808001))).toBe(0x3f81);
    expect(floatToBfloat16(floatOf(0x7f7fffff))).toBe(0x7f80);
    expect(floatToBfloat16(floatOf(0x7f800001)) & 0x7fff).toBeGreaterThan(0x7f80);
    expect(floatToBfloat16(Number.NEGATIVE_INFINITY)).toBe(0xff80);
  });
});
