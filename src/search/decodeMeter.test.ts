import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Graph } from '../graph/graph.ts';
import { expertLinear } from '../graph/ops/expertLinear.ts';
import { input } from '../graph/ops/input.ts';
import { linear } from '../graph/ops/linear.ts';
import { route } from '../graph/ops/route.ts';
import { weight } from '../graph/ops/weight.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import type { CostTable } from './costTable.ts';
import { decodeMeter, measuredToken } from './decodeMeter.ts';
import { describedCost } from './describedCost.ts';
import { readDeviceFile } from './deviceFile.ts';
import { shapedGraph } from './probeModel.ts';
import { footprintOf, recoded, stepCost, wholeWork, workCost } from './stepCost.ts';

const [Q4_0, Q8_0] = ['Q4_0', 'Q8_0'].map(formatByName);
const shape = { layers: 2, width: 256, heads: 4, kvHeads: 2, ffn: 512, vocabulary: 1024 };
const graphs = [Q4_0, Q8_0].map((format) => shapedGraph(shape, format, 1024));
const product = { tokens: 1, call: 1e-7, output: 2e-9 };
const table: CostTable = {
  ...{ version: 1, device: 'a device', variant: 'baseline', kv: 'F16', cachedBytes: 5e5, streamedBytes: 5e6 },
  products: [
    { format: 'Q4_0', ...product, cached: 3e-11, streamed: 6e-11 },
    { format: 'Q8_0', ...product, cached: 4e-11, streamed: 9e-11 },
  ],
  attention: [{ tokens: 1, call: 1e-6, pair: 1e-10, streamedByte: 1e-12 }],
  other: [{ tokens: 1, node: 1e-7, element: 1e-9 }],
  threads: [
    { tokens: 1, threads: 1, cached: 1, streamed: 1, other: 1, barrier: 0, step: 1e-5 },
    { tokens: 1, threads: 2, cached: 0.5, streamed: 0.7, other: 1, barrier: 1e-7, step: 1e-5 },
  ],
};
const folder = mkdtempSync(join(tmpdir(), 'espalier-decode-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('work in other formats', () => {
  const asQ8 = recoded(wholeWork(graphs[0], { depth: 10 }), (tensor) => (/norm|embd/.test(tensor) ? undefined : Q8_0));

  it('is that of a graph in these formats', () => {
    const [cost, own] = [workCost(table, asQ8, 2), stepCost(table, graphs[1], { depth: 10, threads: 2 })];
    expect(asQ8.footprint).toBeCloseTo(footprintOf(graphs[1]), 3);
    expect(cost.seconds / own.seconds).toBeCloseTo(1, 9);
    expect(cost.multiplyAdds).toBe(own.multiplyAdds);
    // the embedding's row stayed in Q4_0
    expect(cost.bytes / own.bytes).toBeCloseTo(1, 3);
    expect(cost.seconds).toBeGreaterThan(stepCost(table, graphs[0], { depth: 10, threads: 2 }).seconds);
  });

  it('takes the threads that are fastest, and has a modelled energy', () => {
    const { seconds, joules } = measuredToken(table, asQ8);
    expect(seconds).toBe(Math.min(workCost(table, asQ8, 1).seconds, workCost(table, asQ8, 2).seconds));
    expect(joules!.low).toBeLessThan(joules!.value);
    expect(joules!.note).toMatch(/nothing was measured/);
  });
});

describe('experts', () => {
  const [EXPERTS, USED, WIDTH] = [64, 8, 256];
  const routing = { used: USED, gating: 'softmax', normalize: true, scale: 1, groups: 1, usedGroups: 1 } as const;
  const F16 = formatByName('F16');
  /** One product with chosen experts, behind the router's, which stays in Q4_0. */
  const mixture = (format: BlockFormat): Graph => {
    const graph = new Graph();
    const x = input(graph, 'x', 'T', WIDTH, 'f32');
    const routes = route(linear(x, weight(graph, 'router', Q4_0, EXPERTS, WIDTH)), undefined, routing);
    graph.outputs.set('y', expertLinear(x, routes, weight(graph, 'experts', format, EXPERTS * WIDTH, WIDTH), EXPERTS));
    return graph;
  };
  const inOther = (graph: Graph, format: BlockFormat) =>
    recoded(wholeWork(graph, {}), (tensor) => (tensor === 'experts' ? format : undefined));

  it.each([
    ['F16 to Q4_0', F16, Q4_0],
    ['Q4_0 to Q8_0', Q4_0, Q8_0],
  ])('%s: the work is that of a graph in that format', (_, from, to) => {
    const [changed, own] = [inOther(mixture(from), to), wholeWork(mixture(to), {})];
    expect(changed.bytes).toBeGreaterThan(0);
    expect(changed.bytes).toBeCloseTo(own.bytes, 3);
    expect(changed.footprint).toBeCloseTo(own.footprint, 3);
    expect(changed.products.map(({ bytes }) => bytes)).toEqual(own.products.map(({ bytes }) => bytes));
  });

  it('a token takes the time of its chosen experts', () => {
    const graph = new Graph();
    const x = input(graph, 'x', 'T', WIDTH, 'f32');
    const products = [EXPERTS, USED * WIDTH].map((rows, i) => linear(x, weight(graph, `w${i}`, Q4_0, rows, WIDTH)));
    for (const [i, product] of products.entries()) graph.outputs.set(`${i}`, product);
    const [chosen, dense] = [wholeWork(mixture(Q4_0), {}), wholeWork(graph, {})];
    const sizes = ({ products: all }: typeof chosen) =>
      all.map(({ outputs, weights, bytes }) => [outputs, weights, bytes]);
    expect(sizes(chosen)).toEqual(sizes(dense));
    const inputs = { footprint: dense.footprint, other: dense.other };
    expect(workCost(table, { ...chosen, ...inputs }, 1).seconds).toBeCloseTo(workCost(table, dense, 1).seconds, 12);
  });

  it('must all fit into the memory of a described device that fixes the bits', () => {
    const figure = (value: number) => ({ value, from: 'measured' });
    const of = (bytes: number) =>
      describedCost(
        readDeviceFile(
          JSON.stringify({
            ...{ version: 1, name: 'a plan', bitsPerWeight: 8 },
            unit: { clock: figure(1e9), multiplyAddsPerCycle: figure(100) },
            memory: { bytes: figure(bytes), bytesPerSecond: figure(1e8) },
          }),
        ),
        mixture(Q4_0),
      );
    const all = (EXPERTS + EXPERTS * WIDTH) * WIDTH;
    expect(of(all)).toMatchObject({ fits: true, bytes: (EXPERTS + USED * WIDTH) * WIDTH });
    expect(of(all - 1).fits).toBe(false);
  });
});

describe('a described device', () => {
  const figure = (value: number) => ({ value, from: 'measured' });
  const device = {
    ...{ version: 1, name: 'a plan' },
    unit: { clock: figure(1e9), multiplyAddsPerCycle: figure(100) },
    memory: { bytes: figure(1e9), bytesPerSecond: figure(1e8), joulesPerByte: figure(1e-10) },
    ...{ joulesPerMultiplyAdd: figure(1e-12), idleWatts: figure(0.1) },
  };
  const meterOf = async (value: object) => {
    const path = join(folder, 'device.json');
    writeFileSync(path, JSON.stringify(value));
    return decodeMeter()({ graph: graphs[0], formats: [], device: path });
  };

  it('costs what its file says', async () => {
    const costs = await meterOf(device);
    expect(costs.device).toBe('a plan');
    const expected = describedCost(readDeviceFile(JSON.stringify(device)), graphs[1], { depth: 256 });
    const found = costs.tokenCost((tensor) => (/norm|embd/.test(tensor) ? undefined : Q8_0));
    expect(found.seconds / expected.seconds.value).toBeCloseTo(1, 9);
    expect(found.joules!.value / expected.joules!.value).toBeCloseTo(1, 9);
  });

  it('tells whether the model fits into its memory', async () => {
    for (const [bytes, fits] of [
      [1e9, true],
      [1e5, false],
    ] as const) {
      const costs = await meterOf({ ...device, memory: { ...device.memory, bytes: figure(bytes) } });
      expect(costs.tokenCost(() => undefined).fits).toBe(fits);
    }
  });

  it('has no energy if the file does not say it', async () => {
    const { idleWatts: _, ...silent } = device;
    expect((await meterOf(silent)).tokenCost(() => undefined).joules).toBeUndefined();
  });
});

it.each([1, 2])(
  'this device is measured in the formats that a model may have, with %i threads',
  async (threads) => {
    const meter = decodeMeter({ folder, milliseconds: 0 });
    const costs = await meter({ graph: graphs[0], formats: ['Q8_0'], threads });
    for (const formatOf of [() => undefined, () => Q8_0]) {
      const { seconds, joules } = costs.tokenCost(formatOf);
      expect(seconds).toBeGreaterThan(0);
      expect(joules!.value).toBeGreaterThan(0);
    }
  },
  120_000,
);
