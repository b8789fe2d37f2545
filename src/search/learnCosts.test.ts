import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { load } from '../runtime/load.ts';
import { formatByName } from '../tensor/formats.ts';
import type { CostTable } from './costTable.ts';
import { followSteps } from './followSteps.ts';
import { LearningMeter } from './learnCosts.ts';
import { meterDevice, storeCosts } from './meterDevice.ts';
import { graphOfModel } from './modelCost.ts';
import { shapedGraph } from './probeModel.ts';
import { wholeWork, workCost } from './stepCost.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-learn-'));
afterAll(() => rmSync(folder, { recursive: true }));

const shape = { layers: 2, width: 256, heads: 4, kvHeads: 2, ffn: 512, vocabulary: 1024 };
const works = [shape, { ...shape, layers: 6, width: 512 }].map((each) =>
  wholeWork(shapedGraph(each, formatByName('Q8_0'), 1024), { depth: 50 }),
);
const one = { tokens: 1, cached: 1, streamed: 1, other: 1, barrier: 1e-8, step: 1e-5 };
const table: CostTable = {
  ...{ version: 1, device: 'a device', variant: 'baseline', kv: 'F16', cachedBytes: 5e5, streamedBytes: 5e6 },
  products: [{ format: 'Q8_0', tokens: 1, call: 1e-7, output: 2e-9, cached: 4e-11, streamed: 9e-11 }],
  attention: [{ tokens: 1, call: 1e-6, pair: 1e-10, streamedByte: 1e-12 }],
  other: [{ tokens: 1, node: 1e-7, element: 1e-9 }],
  threads: [
    { ...one, threads: 1 },
    { ...one, tokens: 16, threads: 1 },
    { ...one, threads: 2, cached: 0.6, streamed: 0.6 },
  ],
};

describe('a meter that learns', () => {
  const seconds = (of: CostTable, work: (typeof works)[0], threads: number) => workCost(of, work, threads).seconds;
  const learn = (meter: LearningMeter, factor: (step: number) => number, threads = 2) => {
    for (let step = 0; step < 400; step++)
      meter.observe(works[0], threads, factor(step) * seconds(table, works[0], threads));
  };

  it('predicts another model by the steps of one, whatever disturbs some of them', () => {
    const meter = new LearningMeter(table);
    // half of the steps run beside other processes, and one in ten is a clock that jumped
    learn(meter, (step) => (step % 10 === 0 ? 1e6 : step % 2 === 0 ? 4 : 1.5));
    expect(seconds(meter.table, works[1], 2) / seconds(table, works[1], 2)).toBeCloseTo(1.5, 2);
    expect(seconds(meter.table, works[1], 1)).toBe(seconds(table, works[1], 1));
  });

  it('comes back when the device is as fast as before', () => {
    const meter = new LearningMeter(table);
    learn(meter, () => 2);
    learn(meter, () => 1);
    expect(seconds(meter.table, works[0], 2) / seconds(table, works[0], 2)).toBeCloseTo(1, 2);
  });

  it('leaves out what makes no sense, and threads that were not measured', () => {
    const meter = new LearningMeter(table);
    for (const factor of [Number.NaN, 0, -1, Number.POSITIVE_INFINITY, 1e9]) learn(meter, () => factor);
    for (let step = 0; step < 100; step++) expect(meter.observe(works[0], 3, 1)).toBe(false);
    expect(meter.table).toBe(table);
  });
});

it('follows the steps of a model, and stores what it has learned', async () => {
  const file = await makeModel({ architecture: 'llama', format: 'Q8_0' });
  const graph = await graphOfModel(file);
  await storeCosts(table, { folder, threads: [1], formats: ['Q8_0'] });
  const options = { folder, formats: ['Q8_0'], threads: 1 };
  expect(await meterDevice({ ...options, threads: [1] })).toEqual(table);
  using model = await load(file, { context: 160, threads: 1 });
  const steps = await followSteps(model, graph, options);
  // a clock that advances at each reading, so that steps take the same time on every machine
  let now = performance.now();
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 0.02));
  await model.session().generate([1, 5, 9], { maxTokens: 60, draft: 'off' }).result;
  clock.mockRestore();
  const learned = steps.table;
  expect(learned).not.toEqual(table);
  await steps.stop();
  expect(model.isPaced).toBe(false);
  expect(await meterDevice({ ...options, threads: [1] })).toEqual(learned);
  // the governor chooses the threads
  using governed = await load(file, { context: 160, threads: 1 });
  governed.setPacer({ wait: () => 0, threads: () => 1, observe: () => undefined });
  await expect(followSteps(governed, graph, options)).rejects.toThrow(/adapt is set/);
});
