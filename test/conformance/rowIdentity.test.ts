/**
 * A row's values do not depend on the rows beside it: steps of 2, 3, … tokens give the same bits as steps of one token, for
 * products in every block format and for every op that works on single rows, with any variant and number of threads.
 */
import { describe, expect, it } from 'vitest';
import { wasm } from '../../src/backends/wasm/index.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { Value } from '../../src/graph/graph.ts';
import { activation } from '../../src/graph/ops/activation.ts';
import { add } from '../../src/graph/ops/add.ts';
import { combine } from '../../src/graph/ops/combine.ts';
import { expertLinear } from '../../src/graph/ops/expertLinear.ts';
import { layerNorm } from '../../src/graph/ops/layerNorm.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { multiply } from '../../src/graph/ops/multiply.ts';
import { rmsNorm } from '../../src/graph/ops/rmsNorm.ts';
import { rope } from '../../src/graph/ops/rope.ts';
import { route } from '../../src/graph/ops/route.ts';
import { scale } from '../../src/graph/ops/scale.ts';
import { softcap } from '../../src/graph/ops/softcap.ts';
import type { Program } from '../../src/graph/program.ts';
import { blockFormats, formatByName } from '../../src/tensor/formats.ts';
import { seedOf } from './case.ts';
import { Pages } from './pages.ts';
import { availableTargets, type Target } from './targets.ts';
import { TestGraph, VOCABULARY } from './testGraph.ts';

/** Tokens of a step; every size that kernels treat in a way of its own, and some with a rest. */
const SIZES = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 16, 17, 33];
const CONTEXT = Math.max(...SIZES);

/** Magnitudes of a token's row: ordinary, and so small or large that an f32 loses or overflows something on the way. */
const magnitudes = [1, 1, 1, 30, 1e-3, 1e-10, 1e-22, 1e-30, 1e-38, 1e12, 0];

const MIXTURE = { gating: 'softmax', normalize: true, scale: 1, groups: 1, usedGroups: 1 } as const;

/** Rows by token whose elements are of one magnitude, and in every fifth row of several. */
function hardRows(test: TestGraph, width: number): Value {
  const size = (row: number, column: number) =>
    magnitudes[(row % 5 === 4 ? row + (column >> 4) : row) % magnitudes.length];
  return test.embedded(test.floats(VOCABULARY, width, (row, column) => size(row, column) * test.random.normal()));
}

function products(test: TestGraph, formatName: string): void {
  const format = formatByName(formatName);
  const width = 2 * Math.max(format.blockSize, 64);
  for (const [name, x] of [
    ['rows', test.rows(width)],
    ['hard rows', hardRows(test, width)],
  ] as const) {
    for (const rows of [1, 8, 40, 77]) {
      const bias = rows === 40 ? test.floats(1, rows) : undefined;
      const y = linear(x, test.blocks(format, rows, width), bias);
      test.output(`${rows} × ${width} of ${name}`, rows === 77 ? add(y, test.rows(rows)) : y);
    }
    const routes = route(test.rows(5), undefined, { ...MIXTURE, used: 2 });
    const mixed = expertLinear(x, routes, test.blocks(format, 5 * 24, width), 5);
    test.output(`experts of ${name}`, combine(mixed, routes, { groups: 2, from: 2 }));
  }
}

function singleRowOps(test: TestGraph): void {
  for (const [name, x] of [
    ['rows', test.rows(96)],
    ['hard rows', hardRows(test, 96)],
  ] as const) {
    const output = (op: string, value: Value) => test.output(`${op} of ${name}`, value);
    const gain = () => test.floats(1, 96);
    output('rmsNorm', rmsNorm(x, gain(), 1e-5));
    output('rmsNorm of heads', rmsNorm(x, test.floats(1, 32), 1e-6));
    output('layerNorm', layerNorm(x, gain(), gain(), 1e-5));
    output('silu', multiply(activation(x, 'silu'), test.rows(96)));
    output('gelu', add(activation(x, 'gelu'), scale(test.rows(96), 0.3)));
    output('softcap', softcap(x, 30));
    const frequencies = Float32Array.from({ length: 16 }, (_, i) => 10000 ** (-i / 16));
    for (const layout of ['half', 'interleaved'] as const)
      output(`rope, ${layout}`, rope(x, { headSize: 32, layout, frequencies, magnitude: 1 }));
  }
}

const graphs: readonly (readonly [string, (test: TestGraph) => void])[] = [
  ...blockFormats.map(({ name }) => [name, (test: TestGraph) => products(test, name)] as const),
  ['ops on single rows', singleRowOps],
];

async function compiled(
  name: string,
  build: (test: TestGraph) => void,
  { backend, settings }: Tested,
): Promise<Program> {
  const test = new TestGraph(seedOf(name));
  build(test);
  const limits = { maxTokens: CONTEXT, maxRows: CONTEXT, context: CONTEXT };
  return backend.compile(test.graph, { weights: test.store, ...limits, settings });
}

type Tested = Pick<Target, 'backend' | 'settings'>;

/** The outputs of a step, of all of its rows. */
async function run(program: Program, tokens: readonly number[], position: number): Promise<Map<string, Float32Array>> {
  const pages = new Pages(program.openPages(formatByName('F32')));
  const sequence = { tokens, position, pages: pages.upTo(position + tokens.length) };
  const step = program.run({ sequences: [sequence], rows: tokens.map((_, at) => at) });
  const names = [...program.graph.outputs.keys()];
  const outputs = await Promise.all(names.map(async (name) => [name, (await step.output(name)).slice()] as const));
  pages.release();
  return new Map(outputs);
}

/** Finds differences between a step of several tokens and steps of one token. */
async function firstDifference(
  together: Program,
  single: Program,
  tokens: readonly number[],
): Promise<string | undefined> {
  const all = await run(together, tokens, 0);
  for (const [at, token] of tokens.entries()) {
    for (const [name, right] of await run(single, [token], at)) {
      const row = all.get(name)!.subarray(at * right.length, (at + 1) * right.length);
      const element = right.findIndex((value, i) => !Object.is(value, row[i]));
      if (element >= 0)
        return `${name}: T = ${tokens.length}, row ${at} (token ${token}), element ${element}: ${row[element]}, not ${right[element]}`;
    }
  }
  return undefined;
}

const targets = await availableTargets();

describe.each(targets)('rows of $name', (target) => {
  it.each(graphs)('%s', async (name, build) => {
    const together = await compiled(name, build, target);
    // the row of one token is computed by one thread, with its weights in four streams or in one
    const alone =
      target.backend === wasm
        ? [
            { threads: 1, streams: 4 },
            { threads: 1, streams: 1 },
          ]
        : [{ threads: 1 }];
    const singles = await Promise.all(
      alone.map((settings) => compiled(name, build, { ...target, settings: { ...target.settings, ...settings } })),
    );
    try {
      const random = seededRandom(seedOf(`${target.name}, ${name}`));
      for (const [i, size] of SIZES.entries()) {
        const tokens = Array.from({ length: size }, () => random.integer(VOCABULARY));
        expect(await firstDifference(together, singles[i % singles.length], tokens)).toBeUndefined();
      }
    } finally {
      together.dispose();
      for (const single of singles) single.dispose();
    }
  });
});
