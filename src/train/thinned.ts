/** Long curves as few points. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Means of neighbours, so that `most` points are left; values that are no numbers count only where all of them are. */
export function thinned(points: readonly Point[], most: number): Point[] {
  if (points.length <= most) return [...points];
  return Array.from({ length: most }, (_, i) => {
    const group = points.slice(Math.floor((i * points.length) / most), Math.floor(((i + 1) * points.length) / most));
    const finite = group.filter(({ y }) => Number.isFinite(y));
    const used = finite.length > 0 ? finite : group;
    return { x: mean(used.map(({ x }) => x)), y: mean(used.map(({ y }) => y)) };
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
