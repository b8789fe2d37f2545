/** Reduces curves to fewer points. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Averages groups of neighbours so that at most `limit` points remain. NaN and infinity are ignored unless a group has nothing else. */
export function downsample(points: readonly Point[], limit: number): Point[] {
  if (points.length <= limit) return [...points];
  return Array.from({ length: limit }, (_, i) => {
    const group = points.slice(Math.floor((i * points.length) / limit), Math.floor(((i + 1) * points.length) / limit));
    const finite = group.filter(({ y }) => Number.isFinite(y));
    const used = finite.length > 0 ? finite : group;
    return { x: mean(used.map(({ x }) => x)), y: mean(used.map(({ y }) => y)) };
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
