/**
 * Threads wait for each other where they must: random graphs, in which memory is used again and again, give the same
 * bits with any number of threads, also with more of them than the machine has processors.
 */
import { describe, expect, it, vi } from 'vitest';
import { reference } from '../../src/backends/reference/index.ts';
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
import type { BlockFormat } from '../../src/tensor/blockFormat.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { type Case, compare, type PreparedCase, prepare, type Results, runCase } from './case.ts';
import { availableTargets } from './targets.ts';
import type { TestGraph } from './testGraph.ts';

const MOST_THREADS = 4;

// a program takes no more threads than there are processors
vi.mock('node:os', async (actual) => ({ ...(await actual<object>()), availableParallelism: () => MOST_THREADS }));

const SEEDS = 24;
const WIDTH = 64;
const HEAD_SIZE = 16;
/** Of every other graph; the rest has products whose inputs are rounded, which their ops, one after the other, make much of. */
const exact = { formats: ['F32', 'F16', 'BF16'], tolerance: 1e-10 };
const rounded = { formats: ['Q8_0', 'IQ4_NL', 'F32'], tolerance: 1e-4 };

/** A graph of a few dozen ops, each of values made before it. */
function randomCase(seed: number): Case {
  const { formats, tolerance } = seed % 2 === 0 ? exact : rounded;
  return {
    name: `random graph ${seed}`,
    tolerance,
    steps: [{ T: 7 }, { T: 1 }, { T: 1 }, { T: 16, rows: [0, 7, 15] }, { T: 1 }, { T: 3 }],
    build(test) {
      const ops = randomOps(test, formats.map(formatByName));
      const values = [test.rows(WIDTH), test.rows(WIDTH)];
      for (let i = 0; i < 30; i++) {
        const pick = () => values[Math.floor(values.length * test.random.uniform() ** 0.5)]!;
        values.push(ops[test.random.integer(ops.length)]!(pick));
      }
      const gain = test.floats(1, WIDTH, () => 1);
      test.output('last', rmsNorm(values.at(-1)!, gain, 1e-5));
      test.output('one before', rmsNorm(values[values.length - 1 - test.random.integer(10)]!, gain, 1e-5));
    },
  };
}

function randomOps(test: TestGraph, formats: readonly BlockFormat[]): ((pick: () => Value) => Value)[] {
  let layer = 0;
  const gain = () => test.floats(1, WIDTH);
  // products keep the size of what they take
  const project = (x: Value, rows: number) => {
    const format = formats[test.random.integer(formats.length)]!;
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

const prepared = Array.from({ length: SEEDS }, (_, seed) => prepare(randomCase(seed)));
const targets = (await availableTargets()).filter(({ threads }) => threads === 1);

/** Where two runs differ in any bit. */
function firstDifference(actual: Results, expected: Results): string | undefined {
  for (const [step, outputs] of expected.entries()) {
    for (const [name, right] of outputs) {
      const found = actual[step]!.get(name)!;
      const at = right.findIndex((value, i) => !Object.is(value, found[i]));
      if (at >= 0) return `step ${step}, ${name}, element ${at}: ${found[at]}, not ${right[at]}`;
    }
  }
  return undefined;
}

describe.each(targets)('threads of $name', ({ backend, variant }) => {
  it.each(prepared.map((plan, seed) => [seed, plan] as const))('random graph %i', async (_, graph: PreparedCase) => {
    const alone = await runCase(graph, backend, { variant, threads: 1 });
    const { error, where } = compare(graph, alone, await runCase(graph, reference));
    expect(error, where).toBeLessThanOrEqual(graph.plan.tolerance);
    for (let threads = 2; threads <= MOST_THREADS; threads++) {
      const together = await runCase(graph, backend, { variant, threads });
      expect(firstDifference(together, alone), `${threads} threads`).toBeUndefined();
    }
  });
});
