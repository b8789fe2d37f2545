import { OptionError } from '../../core/errors.ts';
import { type Aggregate, inOrder } from './update.ts';

/**
 * Mean of each coordinate without its largest and smallest values (Yin et al. 2018). Ignores weights, since attackers declare
 * theirs.
 * @param fraction of the updates to drop at each end, below 0.5
 */
export function trimmedMean(fraction: number): Aggregate {
  if (!(fraction >= 0 && fraction < 0.5))
    throw new OptionError('trimmed fraction', fraction, 'at least 0 and below 0.5');
  return (updates) => {
    const dropped = Math.floor(fraction * updates.length);
    return byCoordinate(
      updates.map(({ values }) => values),
      (sorted) => {
        let sum = 0;
        for (let i = dropped; i < sorted.length - dropped; i++) sum += sorted[i];
        return sum / (sorted.length - 2 * dropped);
      },
    );
  };
}

/** Median of each coordinate (Yin et al. 2018). Ignores weights. */
export const median: Aggregate = (updates) =>
  byCoordinate(
    inOrder(updates).map(({ values }) => values),
    (sorted) => {
      const middle = sorted.length >> 1;
      return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    },
  );

function byCoordinate(rows: readonly Float32Array[], combine: (sorted: Float32Array) => number): Float32Array {
  const column = new Float32Array(rows.length);
  return rows[0].map((_, i) => {
    for (let row = 0; row < rows.length; row++) column[row] = rows[row][i];
    return combine(column.sort());
  });
}
