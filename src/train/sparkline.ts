/** A curve in one line of text. */
import { thinned } from './thinned.ts';

const BARS = '▁▂▃▄▅▆▇█';

/** The values as bars from their least to their greatest, in `width` characters at most; a value that is none is a space. */
export function sparkline(values: readonly number[], width = 40): string {
  const points = thinned(
    values.map((y, x) => ({ x, y })),
    width,
  );
  const finite = points.map(({ y }) => y).filter(Number.isFinite);
  const least = Math.min(...finite);
  const range = Math.max(...finite) - least;
  const bar = (y: number) => BARS[range === 0 ? 0 : Math.round(((y - least) / range) * (BARS.length - 1))];
  return points.map(({ y }) => (Number.isFinite(y) ? bar(y) : ' ')).join('');
}
