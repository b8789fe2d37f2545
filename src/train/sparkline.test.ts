import { describe, expect, it } from 'vitest';
import { sparkline } from './sparkline.ts';
import { thinned } from './thinned.ts';

describe('a sparkline', () => {
  it('draws values from least to greatest', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█');
    expect(sparkline([4, Number.NaN, 2])).toBe('█ ▁');
    expect(sparkline([3, 3])).toBe('▁▁');
    expect(sparkline([])).toBe('');
    expect(sparkline([Number.NaN, Number.POSITIVE_INFINITY])).toBe('  ');
  });

  it('has the width it is given', () => {
    const falling = Array.from({ length: 1000 }, (_, i) => 1000 - i);
    expect(sparkline(falling, 8)).toBe('█▇▆▅▄▃▂▁');
  });
});

describe('a curve that is thinned', () => {
  it('keeps its ends and its mean', () => {
    const points = Array.from({ length: 1001 }, (_, x) => ({ x, y: 2 * x }));
    const few = thinned(points, 10);
    expect(few).toHaveLength(10);
    for (const { x, y } of few) expect(y).toBeCloseTo(2 * x);
    expect(
      thinned(
        [
          { x: 1, y: Number.NaN },
          { x: 2, y: 3 },
        ],
        1,
      ),
    ).toEqual([{ x: 2, y: 3 }]);
  });
});
