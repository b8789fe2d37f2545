/** Ops that change states and weights: several steps, matrices and vectors, with and without an update at the end. */
import type { Value } from '../../../src/graph/graph.ts';
import { accumulate } from '../../../src/graph/ops/accumulate.ts';
import { adamW } from '../../../src/graph/ops/adamW.ts';
import { after } from '../../../src/graph/ops/after.ts';
import { clip } from '../../../src/graph/ops/clip.ts';
import { columns } from '../../../src/graph/ops/columns.ts';
import { constant } from '../../../src/graph/ops/constant.ts';
import { linear } from '../../../src/graph/ops/linear.ts';
import { linearWeightGradient } from '../../../src/graph/ops/linearWeightGradient.ts';
import { rmsNorm } from '../../../src/graph/ops/rmsNorm.ts';
import { rmsNormGainGradient } from '../../../src/graph/ops/rmsNormGainGradient.ts';
import { scale } from '../../../src/graph/ops/scale.ts';
import { squareSum } from '../../../src/graph/ops/squareSum.ts';
import { sumRows } from '../../../src/graph/ops/sumRows.ts';
import { type Case, type StepPlan, sequences } from '../case.ts';
import type { TestGraph } from '../testGraph.ts';

const [INPUTS, OUTPUTS] = [21, 13];

/** A matrix product with bias and a norm; the gradients of the matrix and the two vectors are accumulated. */
function layer(test: TestGraph) {
  const [x, dy] = [test.rows(INPUTS), test.rows(OUTPUTS)];
  const [matrix, bias, gain] = [test.floats(OUTPUTS, INPUTS), test.floats(1, OUTPUTS), test.floats(1, OUTPUTS)];
  const product = linear(x, matrix, bias);
  test.output('y', rmsNorm(product, gain, 1e-5));
  const gradients = [
    linearWeightGradient(dy, x),
    sumRows(dy),
    rmsNormGainGradient(product, dy, { epsilon: 1e-5, size: OUTPUTS }),
  ];
  const sums = gradients.map((gradient) => {
    const [rows, columns] = gradient.shape as readonly [number, number];
    const first = accumulate(test.state(rows, columns), gradient);
    return rows > 1 ? accumulate(first, scale(linearWeightGradient(dy, x), 0.5)) : first;
  });
  return { weights: [matrix, bias, gain], sums };
}

/** AdamW settings with the bias corrections of the first step. */
function settings(test: TestGraph): Value {
  const values = [0.01, 0.9, 0.99, 1e-8, 0.1, 1 / (1 - 0.9), 1 / (1 - 0.99)];
  return test.input(1, values.length, 'f32', (_, i) => values[i]);
}

const steps: readonly StepPlan[] = [
  { T: 6, sequence: 6, outputs: ['y', 'gradients'] },
  { T: 8, sequence: 4, outputs: ['y', 'gradients', 'update'] },
  { T: 5, sequence: 5, outputs: ['y'] },
  { T: 6, sequence: 2, outputs: ['update'] },
  { T: 3, sequence: 3, outputs: ['gradients', 'y'] },
  { T: 1, sequence: 1 },
];

/** One number per step. */
function byStep(values: readonly number[]): () => number {
  let step = 0;
  return () => values[step++];
}

/** @param norm maximum gradient norm */
function updateCase(name: string, norm: number, factor?: (test: TestGraph) => Value): Case {
  return {
    name: `adamW, ${name}`,
    // if a gradient is almost 0, so is the square root of its square: the sign of the step is noise
    arithmetic: 'steps',
    steps,
    build(test) {
      const { weights, sums } = layer(test);
      const squares = squareSum(sums);
      test.output('gradients', squares);
      const rates = settings(test);
      const applied = factor?.(test) ?? clip(squares, norm);
      const updates = weights.map((weight, i) => {
        const [rows, columns] = weight.shape as readonly [number, number];
        const [m, v] = [test.state(rows, columns), test.state(rows, columns)];
        const inputs = { weight, gradient: sums[i], m, v, settings: rates, factor: applied };
        test.changing.push(weight.label);
        return adamW(inputs, { decays: i === 0 });
      });
      test.output('update', after(columns(rates, 0, 1), updates));
    },
  };
}

export const updateCases: readonly Case[] = [
  {
    name: 'accumulate and squareSum',
    arithmetic: 'functions',
    steps: sequences,
    build(test) {
      const { sums } = layer(test);
      test.output('squares', squareSum(sums));
      for (const [i, sum] of sums.entries()) test.output(`sum ${i}`, sum);
      test.output('squares of rows', squareSum([test.rows(7)]));
    },
  },
  {
    name: 'clip and constants',
    arithmetic: 'single',
    steps: sequences,
    build(test) {
      const squares = test.input(1, 1, 'f32', () => 4);
      for (const norm of [0.5, 1, 2, 3, Number.POSITIVE_INFINITY]) test.output(`to ${norm}`, clip(squares, norm));
      const zero = test.input(1, 1, 'f32', () => 0);
      test.output('of nothing', clip(zero, 1));
      test.output('constant', constant(test.graph, -2.5));
      test.output('after', after(constant(test.graph, 3), [squares]));
    },
  },
  updateCase('gradients as they are', Number.POSITIVE_INFINITY),
  updateCase('clipped gradients', 1e-3),
  updateCase('a factor of 0', 1, (test) => test.input(1, 1, 'f32', byStep([1, 1, 1, 0, 1, 1]))),
  updateCase('gradients that are not finite', 1, (test) => {
    return clip(test.input(1, 1, 'f32', byStep([1, 4, 1, Number.NaN, 1, Number.POSITIVE_INFINITY])), 1);
  }),
];
