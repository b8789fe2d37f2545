/** A curve as one line of text. */
import { downsample } from './downsample.ts';

const BARS = '▁▂▃▄▅▆▇█';

/** Draws values as bars scaled between minimum and maximum, in at most `width` characters. NaN and infinity become spaces. */
export function sparkline(values: readonly number[], width = 40): string {
  const points = downsample(
    values.map((y, x) => ({ x, y })),
    width,
  );
  const finite = points.map(({ y }) => y).filter(Number.isFinite);
  const minimum = Math.min(...finite);
  const range = Math.max(...finite) - minimum;
  const bar = (y: number) => BARS[range === 0 ? 0 : Math.round(((y - minimum) / range) * (BARS.length - 1))];
  return points.map(({ y }) => (Number.isFinite(y) ? bar(y) : ' ')).join('');
}
