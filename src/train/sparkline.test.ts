import { describe, expect, it } from 'vitest';
import { downsample } from './downsample.ts';
import { sparkline } from './sparkline.ts';

describe('sparkline', () => {
  it('shows values as bars between the minimum and the maximum', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█');
    expect(sparkline([4, Number.NaN, 2])).toBe('█ ▁');
    expect(sparkline([3, 3])).toBe('▁▁');
    expect(sparkline([])).toBe('');
    expect(sparkline([Number.NaN, Number.POSITIVE_INFINITY])).toBe('  ');
  });

  it('is at most `width` characters long', () => {
    const falling = Array.from({ length: 1000 }, (_, i) => 1000 - i);
    expect(sparkline(falling, 8)).toBe('█▇▆▅▄▃▂▁');
  });
});

describe('downsample', () => {
  it('keeps the mean and ignores NaN', () => {
    const points = Array.from({ length: 1001 }, (_, x) => ({ x, y: 2 * x }));
    const few = downsample(points, 10);
    expect(few).toHaveLength(10);
    for (const { x, y } of few) expect(y).toBeCloseTo(2 * x);
    expect(
      downsample(
        [
          { x: 1, y: Number.NaN },
          { x: 2, y: 3 },
        ],
        1,
      ),
    ).toEqual([{ x: 2, y: 3 }]);
  });
});
