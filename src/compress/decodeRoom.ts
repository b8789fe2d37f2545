/** The formats that a limit on the time or the energy of a token may choose from. */
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import type { DecodeCosts, TokenCost } from './decodeCosts.ts';
import { type Candidate, candidatesOf, type Room } from './room.ts';

/** Costs are counted in billionths of milliseconds or joules, because `cheapest` counts in whole units. */
const NANO = 1e9;
/** Differences below this share of the model's cost are rounding. */
const ROUNDING = 1e-9;

/**
 * A format that is slower than one of more bits is left out, so the formats of a candidate ascend in bits and in cost.
 * @param limit milliseconds or joules of a token @param costOf the limited one of both @param named formats that are given, by tensor name
 */
export function decodeRoom(
  checkpoint: Checkpoint,
  { tokenCost }: DecodeCosts,
  limit: number,
  costOf: (cost: TokenCost) => number,
  named: ReadonlyMap<string, BlockFormat>,
): Room {
  const totalOf = (formats: ReadonlyMap<string, BlockFormat>): number =>
    costOf(tokenCost((tensor) => formats.get(tensor)));
  const cheapestOf = (all: readonly Candidate[]): Map<string, BlockFormat> => {
    let base = new Map(all.map(({ tensor, formats }) => [tensor.name, formats[0]]));
    // costs depend a little on the size of the model, so the second look is closer
    for (let look = 0; look < 2; look++)
      base = new Map(
        all.map(({ tensor: { name }, formats }) => {
          const costs = formats.map((format) => totalOf(new Map(base).set(name, format)));
          return [name, formats[costs.indexOf(Math.min(...costs))]];
        }),
      );
    return base;
  };
  const isEnough = (all: readonly Candidate[]) => totalOf(cheapestOf(all)) <= limit;
  const all = candidatesOf(checkpoint, named, isEnough);
  const base = cheapestOf(all);
  const least = totalOf(base);
  const chosen = all.map(({ tensor, formats }) => {
    const costs = formats.map((format) =>
      Math.max(0, totalOf(new Map(base).set(tensor.name, format)) - least - ROUNDING * least),
    );
    const kept = [...formats.keys()].filter((level) =>
      costs.every((cost, other) => other <= level || cost > costs[level]),
    );
    return {
      candidate: { tensor, formats: kept.map((level) => formats[level]) },
      costs: kept.map((level) => NANO * costs[level]),
    };
  });
  const candidates = chosen.map(({ candidate }) => candidate);
  const costs = chosen.map((each) => each.costs);
  const allowed = NANO * (limit - least);
  const best = new Map(candidates.map(({ tensor, formats }) => [tensor.name, formats.at(-1)!]));
  // where memory is the bound, the choice of smaller formats starts from the largest cost, not from a limit far above it
  const isSmall = tokenCost((tensor) => best.get(tensor)).fits === false;
  const room = isSmall
    ? Math.min(
        allowed,
        costs.reduce((sum, row) => sum + row.at(-1)!, 0),
      )
    : allowed;
  return {
    candidates,
    costs,
    limit: room,
    total(levels) {
      const formats = new Map(candidates.map(({ tensor, formats: own }, i) => [tensor.name, own[levels[i]]]));
      const cost = tokenCost((tensor) => formats.get(tensor));
      const found = NANO * (costOf(cost) - least);
      // what does not fit into memory is over the limit, so that smaller formats are tried
      return cost.fits === false ? Math.max(found, room + 1) : found;
    },
    least,
  };
}
