import { OptionError } from '../../core/errors.ts';
import { uniformMean } from './mean.ts';
import { type Aggregate, inOrder } from './update.ts';

/**
 * Multi-Krum (Blanchard et al. 2017): the mean of the updates that are closest to their nearest others. Ignores weights.
 * @param attackers fraction of clients that may attack, below 0.5
 * @param kept fraction of the updates that are kept; default: all but the attackers' share. Close to 0: Krum, one update.
 */
export function krum(attackers: number, kept = 1 - attackers): Aggregate {
  if (!(attackers >= 0 && attackers < 0.5))
    throw new OptionError('krum attackers', attackers, 'at least 0 and below 0.5');
  return (updates) => {
    const ordered = inOrder(updates);
    const count = ordered.length;
    const near = Math.max(1, count - Math.ceil(attackers * count) - 2);
    const distances = ordered.map(() => new Float64Array(count));
    for (let a = 0; a < count; a++)
      for (let b = a + 1; b < count; b++)
        distances[a][b] = distances[b][a] = squaredDistance(ordered[a].values, ordered[b].values);
    const scored = ordered.map((update, i) => {
      const others = distances[i].filter((_, other) => other !== i).sort();
      return { update, score: others.slice(0, near).reduce((sum, value) => sum + value, 0) };
    });
    scored.sort((a, b) => a.score - b.score);
    return uniformMean(scored.slice(0, Math.max(1, Math.floor(kept * count))).map(({ update }) => update));
  };
}

function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
}
