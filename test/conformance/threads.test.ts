/**
 * Tests the synchronization of threads: random graphs that reuse memory produce the same
 * bits with any number of threads, even more than the machine has processors.
 */
import { describe, expect, it, vi } from 'vitest';
import { reference } from '../../src/backends/reference/index.ts';
import { gradients, trainableWeights } from '../../src/graph/gradients.ts';
import type { Value } from '../../src/graph/graph.ts';
import { activation } from '../../src/graph/ops/activation.ts';
import { add } from '../../src/graph/ops/add.ts';
import { attention } from '../../src/graph/ops/attention.ts';
import { columns } from '../../src/graph/ops/columns.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { multiply } from '../../src/graph/ops/multiply.ts';
import { rmsNorm } from '../../src/graph/ops/rmsNorm.ts';
import { rope } from '../../src/graph/ops/rope.ts';
import { scale } from '../../src/graph/ops/scale.ts';
import { selectRows } from '../../src/graph/ops/selectRows.ts';
import { squareSum } from '../../src/graph/ops/squareSum.ts';
import { weightedSum } from '../../src/graph/ops/weightedSum.ts';
import type { BlockFormat } from '../../src/tensor/blockFormat.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { type Case, compare, type PreparedCase, prepare, type Results, runCase } from './case.ts';
import { availableTargets } from './targets.ts';
import type { TestGraph } from './testGraph.ts';

const MOST_THREADS = 4;

// a program uses at most as many threads as there are processors
vi.mock('node:os', async (actual) => ({ ...(await actual<object>()), availableParallelism: () => MOST_THREADS }));

const SEEDS = 24;
const WIDTH = 64;
const HEAD_SIZE = 16;
/** Formats of every other graph. The rest has matrix products with rounded inputs, which successive ops amplify. */
const exact = { formats: ['F32', 'F16', 'BF16'], arithmetic: 'layers' } as const;
const rounded = { formats: ['Q8_0', 'IQ4_NL', 'F32'], arithmetic: 'int8' } as const;

/** A random graph of a few dozen ops. */
function randomCase(seed: number): Case {
  const { formats, arithmetic } = seed % 2 === 0 ? exact : rounded;
  return {
    name: `random graph ${seed}`,
    arithmetic,
    steps: [{ T: 7 }, { T: 1 }, { T: 1 }, { T: 16, rows: [0, 7, 15] }, { T: 1 }, { T: 3 }],
    build(test) {
      const values = randomValues(test, formats, 30);
      const gain = test.floats(1, WIDTH, () => 1);
      test.output('last', rmsNorm(values.at(-1)!, gain, 1e-5));
      test.output('one before', rmsNorm(values[values.length - 1 - test.random.integer(10)], gain, 1e-5));
    },
  };
}

/** A smaller random graph with gradients, accumulators and recomputation. */
function learningCase(seed: number): Case {
  return {
    name: `random gradients ${seed}`,
    arithmetic: 'steps',
    steps: [
      { T: 8, sequence: 4 },
      { T: 3, sequence: 3 },
      { T: 16, sequence: 8, rows: [0, 7, 15] },
      { T: 1, sequence: 1 },
    ],
    build(test) {
      const last = randomValues(test, exact.formats, 12).at(-1)!;
      const y = linear(selectRows(rmsNorm(last, test.floats(1, WIDTH), 1e-5)), test.floats(1, WIDTH));
      const loss = weightedSum(y, test.input('R', 1));
      const weights = trainableWeights(loss);
      const accumulators = new Map(
        weights.map((weight) => [weight, test.state(Number(weight.shape[0]), weight.shape[1])] as const),
      );
      const checkpoint = () => test.random.uniform() < 0.7;
      const checkpoints = new Map(test.graph.nodes.map((node) => [node, checkpoint()]));
      const found = gradients(loss, weights, { accumulators, checkpoint: (node) => checkpoints.get(node) ?? true });
      test.output('loss', loss);
      test.output('norm', squareSum([...found.values()]));
    },
  };
}

/** Two inputs and random ops on earlier values. */
function randomValues(test: TestGraph, formats: readonly string[], count: number): Value[] {
  const ops = randomOps(test, formats.map(formatByName));
  const values = [test.rows(WIDTH), test.rows(WIDTH)];
  for (let i = 0; i < count; i++) {
    const pick = () => values[Math.floor(values.length * test.random.uniform() ** 0.5)];
    values.push(ops[test.random.integer(ops.length)](pick));
  }
  return values;
}

function randomOps(test: TestGraph, formats: readonly BlockFormat[]): ((pick: () => Value) => Value)[] {
  let layer = 0;
  const gain = () => test.floats(1, WIDTH);
  // matrix products preserve the magnitude of their inputs
  const project = (x: Value, rows: number) => {
    const format = formats[test.random.integer(formats.length)];
    return scale(linear(rmsNorm(x, gain(), 1e-5), test.blocks(format, rows, WIDTH)), format.blockSize === 1 ? 0.1 : 1);
  };
  const turning = {
    headSize: HEAD_SIZE,
    layout: 'half',
    frequencies: Float32Array.of(1, 0.3, 0.1, 0.03),
    magnitude: 1,
  } as const;
  return [
    (pick) => add(pick(), pick()),
    (pick) =>
      add(
        pick(),
        linear(
          pick(),
          test.floats(WIDTH, WIDTH, () => test.random.normal() / 8),
        ),
      ),
    (pick) => multiply(activation(project(pick(), WIDTH), 'silu'), project(pick(), WIDTH)),
    (pick) => activation(rmsNorm(pick(), gain(), 1e-6), 'gelu'),
    (pick) => columns(project(pick(), WIDTH + 24), test.random.integer(25), WIDTH),
    (pick) => rope(rmsNorm(pick(), test.floats(1, HEAD_SIZE), 1e-6), turning),
    (pick) => {
      const shape = { heads: WIDTH / HEAD_SIZE, kvHeads: 2, headSize: HEAD_SIZE, scale: 0.25, window: 0, softcap: 0 };
      const [q, k, v] = [project(pick(), WIDTH), project(pick(), 2 * HEAD_SIZE), project(pick(), 2 * HEAD_SIZE)];
      return attention(rope(q, turning), rope(k, turning), v, { layer: layer++, ...shape });
    },
  ];
}

const plans = [randomCase, learningCase].flatMap((plan) => Array.from({ length: SEEDS }, (_, seed) => plan(seed)));
const prepared = plans.map(prepare);
const targets = (await availableTargets()).filter(({ settings }) => settings?.threads === 1);

/** Finds the first bit in which two runs differ. */
function firstDifference(actual: Results, expected: Results): string | undefined {
  for (const [step, outputs] of expected.entries()) {
    for (const [name, right] of outputs) {
      const found = actual[step].get(name)!;
      const at = right.findIndex((value, i) => !Object.is(value, found[i]));
      if (at >= 0) return `step ${step}, ${name}, element ${at}: ${found[at]}, not ${right[at]}`;
    }
  }
  return undefined;
}

describe.each(targets)('threads of $name', ({ backend, settings, tolerances }) => {
  it.each(prepared.map((graph) => [graph.plan.name, graph] as const))('%s', async (_, graph: PreparedCase) => {
    const alone = await runCase(graph, backend, { settings: { ...settings, threads: 1 } });
    const { error, where } = compare(graph, alone, await runCase(graph, reference));
    expect(error, where).toBeLessThanOrEqual(tolerances[graph.plan.arithmetic]);
    for (let threads = 2; threads <= MOST_THREADS; threads++) {
      const together = await runCase(graph, backend, { settings: { ...settings, threads } });
      expect(firstDifference(together, alone), `${threads} threads`).toBeUndefined();
    }
  });
});
