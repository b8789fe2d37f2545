/** Prints where the time of a model's steps went: per kernel with ESPALIER_TRACE=1, per command with ESPALIER_TRACE=all. */
import type { Model } from '../index.ts';

export function printTrace(model: Model): void {
  const byName = new Map<string, number>();
  for (const { label, kernel, seconds } of model.timings()) {
    const name = process.env.ESPALIER_TRACE === 'all' ? `${kernel} ${label}` : kernel;
    byName.set(name, (byName.get(name) ?? 0) + seconds);
  }
  const total = [...byName.values()].reduce((sum, seconds) => sum + seconds, 0);
  for (const [name, seconds] of [...byName].sort((a, b) => b[1] - a[1])) {
    const share = `${((100 * seconds) / total).toFixed(1)}%`.padStart(6);
    console.error(`${(seconds * 1000).toFixed(2).padStart(10)} ms ${share}  ${name}`);
  }
}
