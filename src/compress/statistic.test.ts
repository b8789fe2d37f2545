import { describe, expect, it } from 'vitest';
import type { Calibration } from './calibration.ts';
import { enoughTokens, enoughWindows, isHeldOut } from './statistic.ts';

const calibrationOf = (size: number, count: number, width: number) => {
  const tokens = Int32Array.from({ length: size * count }, (_, i) => Math.floor(i / size));
  const product = (channels: number) => ({ weight: { shape: [8, channels] } });
  const stages = [{ products: [] }, { products: [product(64), product(width)] }];
  return { windows: { tokens, size, count }, stages } as unknown as Calibration;
};

describe('isHeldOut', () => {
  it.each([
    [2, [1]],
    [7, [6]],
    [8, [7]],
    [15, [7]],
    [16, [7, 15]],
  ])('of %i windows: %o', (count, expected) => {
    expect(Array.from({ length: count }, (_, i) => i).filter((i) => isHeldOut(i, count))).toEqual(expected);
  });
});

describe('enoughWindows', () => {
  it.each([
    [512, 128, 4864],
    [256, 256, 1024],
    [512, 4000, 20_000],
  ])(
    'of %i tokens × %i, for %i channels, leaves as many as their Gram matrix needs, spread over the text',
    (size, count, width) => {
      const { windows } = enoughWindows(calibrationOf(size, count, width));
      expect(windows.count).toBeLessThan(count);
      expect(windows.tokens.length).toBe(windows.count * size);
      const fit = Array.from({ length: windows.count }, (_, i) => i).filter((i) => !isHeldOut(i, windows.count));
      expect(fit.length * size).toBeGreaterThanOrEqual(enoughTokens(width));
      expect((fit.length - 7) * size).toBeLessThan(enoughTokens(width));
      const chosen = Array.from({ length: windows.count }, (_, i) => windows.tokens[i * size]);
      expect(chosen[0]).toBe(0);
      for (let i = 1; i < chosen.length; i++) {
        expect(chosen[i] - chosen[i - 1]).toBeGreaterThanOrEqual(Math.floor(count / windows.count));
        expect(chosen[i] - chosen[i - 1]).toBeLessThanOrEqual(Math.ceil(count / windows.count));
      }
    },
  );

  it('takes more for experts, which see a share of the tokens each', () => {
    const calibration = calibrationOf(512, 1000, 896);
    const { weight } = calibration.stages[1].products[1];
    const experts = { count: 16, routes: { shape: ['T', 4] } };
    const stages = [{ products: [{ weight, experts }] }];
    const all = enoughWindows({ ...calibration, stages } as unknown as Calibration).windows.count;
    const dense = enoughWindows(calibration).windows.count;
    expect(all / dense).toBeGreaterThan(6);
    expect(all / dense).toBeLessThanOrEqual(8);
  });

  it('leaves a short text as it is', () => {
    const calibration = calibrationOf(512, 30, 896);
    expect(enoughWindows(calibration)).toBe(calibration);
  });
});
