import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { wasm } from '../backends/wasm/index.ts';
import { formatByName } from '../tensor/formats.ts';
import { type CostTable, mergeTables, readCostTable } from './costTable.ts';
import { fitCosts, type Sample } from './fitCosts.ts';
import { fitNonNegative } from './leastSquares.ts';
import { measureCosts, threadCounts } from './measureCosts.ts';
import { meterDevice } from './meterDevice.ts';
import { formatsOfModel, modelCost } from './modelCost.ts';
import { type ModelShape, shapedGraph } from './probeModel.ts';
import { footprintOf, stepCost, workOf } from './stepCost.ts';

const Q4_0 = formatByName('Q4_0');
const shape: ModelShape = { layers: 2, width: 256, heads: 4, kvHeads: 2, ffn: 512, vocabulary: 1024 };

describe('non-negative least squares', () => {
  it('finds the coefficients that made the values', () => {
    const positive = fc.double({ min: 1e-3, max: 10, noNaN: true });
    fc.assert(
      fc.property(
        fc.tuple(positive, positive),
        fc.array(fc.tuple(positive, positive), { minLength: 6, maxLength: 20 }),
        (made, rows) => {
          const observations = rows.map((features) => ({
            features,
            value: made[0] * features[0] + made[1] * features[1],
          }));
          const found = fitNonNegative(observations, 2);
          for (const { features, value } of observations) {
            const predicted = found[0] * features[0] + found[1] * features[1];
            expect(Math.abs(predicted / value - 1)).toBeLessThan(0.05);
          }
        },
      ),
    );
  });

  it('never returns a negative cost, and nothing for features that were never there', () => {
    const observations = [1, 2, 3].map((x) => ({ features: [x, 1, 0], value: 2 * x - 1 }));
    const found = fitNonNegative(observations, 3);
    expect(Math.min(...found)).toBeGreaterThanOrEqual(0);
    expect(found[2]).toBe(0);
    expect(fitNonNegative([], 2)).toEqual([0, 0]);
  });
});

/** A device that costs exactly what the formulas say. */
const costs = { call: 1e-7, output: 2e-9, cached: 3e-11, streamed: 6e-11 };
const tokens = [1, 4];
const table: CostTable = {
  version: 1,
  device: 'a device',
  variant: 'baseline',
  kv: 'F16',
  cachedBytes: 1e6,
  streamedBytes: 1e8,
  products: tokens.map((count) => ({
    format: 'Q4_0',
    tokens: count,
    call: costs.call,
    output: costs.output * count,
    cached: costs.cached * count,
    streamed: costs.streamed * count,
  })),
  attention: tokens.map((count) => ({ tokens: count, call: 1e-6, pair: 1e-10, streamedByte: 0 })),
  other: tokens.map((count) => ({ tokens: count, node: 1e-7, element: 1e-9 })),
  threads: tokens.flatMap((count) => [
    { tokens: count, threads: 1, cached: 1, streamed: 1, other: 1, barrier: 0, step: 1e-5 },
    { tokens: count, threads: 2, cached: 0.5, streamed: 0.7, other: 1, barrier: 1e-6, step: 1e-5 },
  ]),
};

/** The step as `measureCosts` would measure it on that device. */
function sampleOf(size: ModelShape, isLarge: boolean, count: number, threads: number, depth: number): Sample {
  const graph = shapedGraph(size, Q4_0, 1024);
  const work = workOf(graph, { T: count, P: depth, R: count, S: count });
  const weight = (isLarge ? costs.streamed : costs.cached) * count;
  const products = work.products.map(({ outputs, inputs }) => ({
    outputs,
    inputs,
    seconds: costs.call + costs.output * count * outputs + weight * outputs * inputs,
  }));
  const attention = work.attention.map(({ pairs, bytes }) => ({ pairs, bytes, seconds: 1e-6 + 1e-10 * pairs }));
  const other = { ...work.other, seconds: 1e-7 * work.other.nodes + 1e-9 * work.other.elements };
  const sum = (parts: readonly { seconds: number }[]) => parts.reduce((total, { seconds }) => total + seconds, 0);
  const nodes = products.length + attention.length + work.other.nodes;
  const share = threads === 1 ? 1 : isLarge ? 0.7 : 0.5;
  const barrier = threads === 1 ? 0 : 1e-6;
  const seconds = sum(products) * share + sum(attention) + other.seconds + barrier * nodes + 1e-5;
  return { format: 'Q4_0', tokens: count, threads, isLarge, seconds, outside: 1e-5, products, attention, other };
}

describe('the cost of a step', () => {
  const [small, large] = [shape, { ...shape, width: 1024, heads: 16, ffn: 3072, layers: 3 }];
  const samples = tokens.flatMap((count) =>
    [1, 2].flatMap((threads) =>
      [0, 500].flatMap((depth) => [
        sampleOf(small, false, count, threads, depth),
        sampleOf({ ...small, width: 512, heads: 8 }, false, count, threads, depth),
        sampleOf(large, true, count, threads, depth),
      ]),
    ),
  );
  const fitted: CostTable = { ...table, ...fitCosts(samples) };

  it('is found again for models that were not measured', () => {
    const unseen = shapedGraph({ ...shape, width: 768, heads: 12, layers: 5, vocabulary: 4096 }, Q4_0, 1024);
    for (const size of [{ tokens: 1 }, { tokens: 4, depth: 300 }, { tokens: 1, depth: 900, threads: 1 }])
      expect(stepCost(fitted, unseen, size).seconds / stepCost(table, unseen, size).seconds).toBeCloseTo(1, 1);
  });

  it('grows with tokens, depth, layers and width', () => {
    const seconds = (size: ModelShape, options = {}) => stepCost(table, shapedGraph(size, Q4_0, 1024), options).seconds;
    const base = seconds(shape);
    expect(seconds(shape, { tokens: 2 })).toBeGreaterThan(base);
    expect(seconds(shape, { tokens: 64 })).toBeGreaterThan(seconds(shape, { tokens: 32 }));
    expect(seconds(shape, { depth: 500 })).toBeGreaterThan(base);
    expect(seconds({ ...shape, layers: 3 })).toBeGreaterThan(base);
    expect(seconds({ ...shape, width: 512 })).toBeGreaterThan(base);
  });

  it('counts bytes and multiply-adds as the graph does', () => {
    const graph = shapedGraph(shape, Q4_0, 1024);
    const { bytes, multiplyAdds } = stepCost(table, graph, { depth: 10 });
    const cost = graph.cost({ T: 1, P: 10, R: 1, S: 1 });
    expect([bytes, multiplyAdds]).toEqual([cost.bytes, cost.flops / 2]);
    expect(footprintOf(graph)).toBeLessThan(bytes);
  });

  it('refuses formats and threads that were not measured', () => {
    const graph = shapedGraph(shape, formatByName('Q8_0'), 64);
    expect(() => stepCost(table, graph)).toThrow(/the unmeasured format Q8_0 is not supported; supported: Q4_0/);
    expect(() => stepCost(table, shapedGraph(shape, Q4_0, 64), { threads: 3 })).toThrow(
      /threads is 3, expected one of 1, 2/,
    );
    expect(() => stepCost(table, shapedGraph(shape, Q4_0, 64), { tokens: 0 })).toThrow(/tokens is 0/);
  });
});

describe('a cost table', () => {
  it('is JSON, read back as it was written', () => {
    expect(readCostTable(JSON.stringify(table))).toEqual(table);
  });

  it.each([
    ['', /^device.json: it is not JSON$/],
    ['{}', /^device.json: version: /],
    [JSON.stringify({ ...table, products: [{ ...table.products[0], call: -1 }] }), /products.0.call/],
    [JSON.stringify({ ...table, cachedBytes: null }), /cachedBytes/],
  ])('is refused where it is broken: %s', (text, message) => {
    expect(() => readCostTable(text, 'device.json')).toThrow(message);
  });

  it('takes further formats', () => {
    const more = { ...table, products: table.products.map((product) => ({ ...product, format: 'Q8_0' })) };
    expect(mergeTables(mergeTables(table, more), table).products.map(({ format }) => format)).toEqual([
      'Q8_0',
      'Q8_0',
      'Q4_0',
      'Q4_0',
    ]);
  });
});

it('tries powers of two and all threads', () => {
  expect([1, 2, 6, 16, 24].map(threadCounts)).toEqual([
    [1],
    [1, 2],
    [1, 2, 4, 6],
    [1, 2, 4, 8, 16],
    [1, 2, 4, 8, 16, 24],
  ]);
});

it('builds graphs of any shape that compile as they are', async () => {
  const graph = shapedGraph({ ...shape, headSize: 32 }, Q4_0, 64);
  expect(graph.outputs.get('logits')!.shape).toEqual(['R', 1024]);
  const needs = await wasm.memoryNeeds(graph, { maxTokens: 4, maxRows: 4, context: 64 }, formatByName('F16'));
  expect(needs.weightBytes).toBeGreaterThan(footprintOf(graph));
});

it('measures this device, stores it, and predicts a model from its header', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-meter-'));
  try {
    const model = await makeModel({ architecture: 'llama', format: 'Q4_0' });
    const formats = await formatsOfModel(model);
    expect(formats).toContain('Q4_0');
    const measured = await meterDevice({ formats, folder, threads: [1], milliseconds: 0 });
    expect(measured.products.map(({ format }) => format)).toEqual(expect.arrayContaining(formats));
    for (const { cached, streamed, call, output } of measured.products)
      expect(cached + streamed + call + output).toBeGreaterThan(0);
    const { token, promptToken } = await modelCost(model, measured, { depth: 8 });
    expect(token.seconds).toBeGreaterThan(0);
    expect(token.seconds).toBeLessThan(1);
    expect(promptToken.seconds).toBeLessThan(1);
    // the second time it is only read
    expect(await meterDevice({ formats, folder, threads: [1], milliseconds: 0 })).toEqual(measured);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 120_000);

it('stops measuring when it is aborted', async () => {
  const controller = new AbortController();
  const measuring = measureCosts({
    formats: ['Q4_0'],
    threads: [1],
    milliseconds: 0,
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  await expect(measuring).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
});
