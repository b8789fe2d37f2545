import { expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { openCheckpoint } from '../formats/open.ts';
import { decodeRoom } from './decodeRoom.ts';
import { leastLoss } from './room.ts';

it('the sum of costs is lowered until the whole model fits', () => {
  const costs = [0, 1, 2, 3].map(() => [0, 1000, 2000]);
  // together, costs are up to half as much again as their sum
  const total = (levels: readonly number[]) => {
    const sum = levels.reduce((all, level, i) => all + costs[i][level], 0);
    return sum * (1 + sum / 16_000);
  };
  const losses = costs.map(() => [9, 3, 1]);
  const levels = leastLoss({ candidates: [], costs, limit: 6000, total, least: 0 }, losses);
  expect(total(levels)).toBeLessThanOrEqual(6000);
  expect(levels.reduce((sum, level) => sum + level, 0)).toBe(4);
});

it('a format that is slower than one of more bits is left out', async () => {
  const dimensions = { width: 96, heads: 3, kvHeads: 1, headSize: 32, ffn: 160 };
  const checkpoint = await openCheckpoint(await makeModel({ architecture: 'llama', format: 'F32', dimensions }));
  const seconds: Readonly<Record<string, number>> = { Q4_0: 4, Q4_1: 5, Q5_0: 12, Q5_1: 13, Q8_0: 9, F32: 30 };
  const tokenCost = (formatOf: (tensor: string) => { name: string } | undefined) => ({
    seconds: [...checkpoint.tensors.keys()].reduce((sum, name) => sum + seconds[formatOf(name)?.name ?? 'F32'], 0),
  });
  const room = decodeRoom(checkpoint, { device: 'a toy', tokenCost }, 1e6, (cost) => cost.seconds, new Map());
  for (const { formats } of room.candidates) expect(formats.map(({ name }) => name)).toEqual(['Q4_0', 'Q4_1', 'Q8_0']);
  for (const costs of room.costs)
    for (const [level, cost] of [0, 1e9, 5e9].entries()) expect(costs[level] / 1e9).toBeCloseTo(cost / 1e9, 3);
});
