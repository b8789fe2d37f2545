import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatByName } from '../tensor/formats.ts';
import { describedCost } from './describedCost.ts';
import { type DeviceFile, readDeviceFile } from './deviceFile.ts';
import { type ModelShape, shapedGraph } from './probeModel.ts';
import { type Dataflow, systolicCycles, utilization } from './systolic.ts';

const path = (file: string) => new URL(`../../${file}`, import.meta.url);

it('counts the cycles of SCALE-Sim for every dataflow', () => {
  const golden = JSON.parse(readFileSync(path('test/goldens/scaleSim.golden.json'), 'utf8')) as {
    rows: number;
    columns: number;
    dataflow: Dataflow;
    M: number;
    N: number;
    K: number;
    cycles: number;
    stalls: number;
  }[];
  expect(golden.length).toBeGreaterThanOrEqual(50);
  for (const { cycles, stalls, ...size } of golden)
    expect(systolicCycles(size, size), JSON.stringify(size)).toBe(cycles - stalls);
});

it('never uses an array more than it can compute', () => {
  const size = fc.integer({ min: 1, max: 300 });
  fc.assert(
    fc.property(
      size,
      size,
      size,
      size,
      size,
      fc.constantFrom<Dataflow>('os', 'ws', 'is'),
      (rows, columns, M, N, K, dataflow) => {
        const used = utilization({ rows, columns, dataflow }, { M, N, K });
        expect(used).toBeGreaterThan(0);
        // the last cycle of a fold overlaps nothing, so an array of one cell is full
        expect(used).toBeLessThanOrEqual(rows * columns === 1 ? 2 : 1.0001 * (1 + 1 / (rows + columns)));
      },
    ),
  );
});

const assumed = (value: number) => ({ value, from: 'assumed' as const });
const device: DeviceFile = readDeviceFile(
  JSON.stringify({
    version: 1,
    name: 'a chip',
    unit: { clock: { value: 1e8, from: 'datasheet' }, array: { rows: 32, columns: 32, dataflow: 'ws' } },
    memory: { bytes: assumed(1e9), bytesPerSecond: { value: 10e9, from: 'measured' }, joulesPerByte: assumed(40e-12) },
    overhead: { perLayer: assumed(1e-4) },
    joulesPerMultiplyAdd: assumed(0.1e-12),
    idleWatts: assumed(0.5),
  }),
);
const shape: ModelShape = { layers: 4, width: 512, heads: 8, kvHeads: 8, ffn: 1024, vocabulary: 8192 };
const graph = shapedGraph(shape, formatByName('Q8_0'), 256);

describe('the cost on a described device', () => {
  it('is the time of the slower of memory and arithmetic, with bounds by the origin of the figures', () => {
    const { seconds, bytes, bound, fits, joules } = describedCost(device, graph);
    expect(bound).toBe('arithmetic');
    expect(seconds.value).toBeGreaterThan(bytes / 10e9);
    expect(seconds.low).toBeLessThan(seconds.value);
    expect(seconds.high).toBeGreaterThan(seconds.value);
    expect(fits).toBe(true);
    expect(joules!.low).toBeLessThan(joules!.value);
    expect(joules!.method).toBe('model');
    expect(joules!.note).toMatch(
      /multiply-adds \(assumed\), bytes \(assumed\), time at idle power \(.+\); nothing was measured/,
    );
    // an array that multiplies vectors waits for the memory
    const fast = {
      ...device,
      unit: { ...device.unit, array: undefined, multiplyAddsPerCycle: assumed(1e4), count: 1 },
    };
    const quick = describedCost(fast, graph);
    expect(quick.bound).toBe('memory');
    expect(quick.seconds.value).toBeCloseTo(bytes / 10e9 + 4e-4, 4);
  });

  it('gives no joules where the device does not tell, and says when a model does not fit', () => {
    const { idleWatts: _, ...silent } = device;
    expect(describedCost(silent, graph).joules).toBeUndefined();
    const small = { ...device, memory: { ...device.memory, bytes: assumed(1e6) } };
    expect(describedCost(small, graph).fits).toBe(false);
  });

  it('falls with fewer bits per weight where memory is the bound', () => {
    const fast = { ...device, unit: { clock: assumed(1e9), count: 1, multiplyAddsPerCycle: assumed(1e5) } };
    const four = describedCost({ ...fast, bitsPerWeight: 4 }, graph);
    const eight = describedCost({ ...fast, bitsPerWeight: 8 }, graph);
    expect(four.seconds.value).toBeLessThan(eight.seconds.value);
    expect(eight.bytes / four.bytes).toBeGreaterThan(1.9);
  });

  it('spreads the outputs of a product over several arrays', () => {
    const two = { ...device, unit: { ...device.unit, count: 2 } };
    const ratio = describedCost(device, graph).seconds.value / describedCost(two, graph).seconds.value;
    expect(ratio).toBeGreaterThan(1.5);
    expect(ratio).toBeLessThanOrEqual(2.01);
  });
});

describe('a device file', () => {
  it.each<[string, object, RegExp]>([
    ['no unit', { version: 1, name: 'x', memory: {} }, /unit/],
    [
      'two kinds of units',
      { ...device, unit: { ...device.unit, multiplyAddsPerCycle: assumed(4) } },
      /either array or multiplyAddsPerCycle/,
    ],
    ['a number without its origin', { ...device, idleWatts: { value: 1 } }, /idleWatts.from/],
    ['a negative number', { ...device, idleWatts: assumed(-1) }, /idleWatts.value/],
    ['an unknown field', { ...device, colour: 'red' }, /colour/],
  ])('with %s is refused by name', (_, content, message) => {
    expect(() => readDeviceFile(JSON.stringify(content), 'chip.json')).toThrow(message);
  });

  it('that is no JSON is refused', () => {
    expect(() => readDeviceFile('{', 'chip.json')).toThrow(/^chip.json: it is not JSON$/);
  });
});

/**
 * Decoding speeds that Rockchip publishes (rknn-llm, benchmark.md: w8a8, 128 + 64 tokens), tokens/s on RK3588 and RK3576, with the layers and the
 * millions of weights that a token reads.
 */
const published: readonly (readonly [
  name: string,
  layers: number,
  millions: number,
  rk3588: number,
  rk3576: number,
])[] = [
  ['Qwen2 0.5B', 24, 494, 41.58, 21.73],
  ['Qwen3 0.6B', 28, 596, 32.91, 17.17],
  ['TinyLlama 1.1B', 22, 1034, 24.43, 12.18],
  ['Qwen2.5 1.5B', 28, 1544, 16.69, undefined as unknown as number],
  ['InternLM2 1.8B', 24, 1700, 15.45, 7.86],
  ['Gemma2 2B', 26, 2614, 10.37, 5.24],
  ['Phi3 3.8B', 32, 3722, 7.45, 3.74],
  ['ChatGLM3 6B', 28, 5978, 4.98, 2.48],
];

it.each([
  ['RK3588', 3],
  ['RK3576', 4],
] as const)(
  'memory and an overhead per layer predict the published speeds of %s, each from the others',
  (_, column) => {
    const rows = published.filter((row) => row[column] !== undefined);
    const errors = rows.map((left) => {
      const { perLayer, perMillion } = fitted(
        rows.filter((row) => row !== left),
        column,
      );
      return Math.abs((perLayer * left[1] + perMillion * left[2]) * left[column] - 1);
    });
    expect(Math.max(...errors)).toBeLessThan(0.07);
  },
);

/** Least squares of relative errors: seconds = perLayer · layers + perMillion · millions of bytes. */
function fitted(rows: typeof published, column: 3 | 4) {
  let [a, b, c, d, e] = [0, 0, 0, 0, 0];
  for (const row of rows) {
    const [x, y] = [row[1] * row[column], row[2] * row[column]];
    a += x * x;
    b += x * y;
    c += y * y;
    d += x;
    e += y;
  }
  const determinant = a * c - b * b;
  return { perLayer: (d * c - b * e) / determinant, perMillion: (a * e - b * d) / determinant };
}

it.each(['rk3588', 'rk3576'])('the device file of %s predicts a published model', (name) => {
  const file = readDeviceFile(readFileSync(path(`recipes/devices/${name}.json`), 'utf8'), name);
  // Qwen2 0.5B: the output matrix is the embedding, which a token reads once
  const qwen: ModelShape = { layers: 24, width: 896, heads: 14, kvHeads: 2, ffn: 4864, vocabulary: 151936 };
  const { seconds } = describedCost(file, shapedGraph(qwen, formatByName('Q8_0'), 256), { depth: 160 });
  const measured = 1 / (name === 'rk3588' ? 41.58 : 21.73);
  expect(seconds.low).toBeLessThan(measured);
  expect(seconds.high).toBeGreaterThan(measured);
  expect(Math.abs(seconds.value / measured - 1)).toBeLessThan(0.1);
});
