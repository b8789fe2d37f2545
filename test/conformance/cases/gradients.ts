/** Cases for finite differences: every op alone, and values that several ops read. */
import type { Value } from '../../../src/graph/graph.ts';
import { activation } from '../../../src/graph/ops/activation.ts';
import { add } from '../../../src/graph/ops/add.ts';
import { type AttentionAttributes, attention } from '../../../src/graph/ops/attention.ts';
import { clamp } from '../../../src/graph/ops/clamp.ts';
import { columns } from '../../../src/graph/ops/columns.ts';
import { crossEntropy } from '../../../src/graph/ops/crossEntropy.ts';
import { dropout } from '../../../src/graph/ops/dropout.ts';
import { embed } from '../../../src/graph/ops/embed.ts';
import { gain } from '../../../src/graph/ops/gain.ts';
import { klDivergence } from '../../../src/graph/ops/klDivergence.ts';
import { layerNorm } from '../../../src/graph/ops/layerNorm.ts';
import { linear } from '../../../src/graph/ops/linear.ts';
import { multiply } from '../../../src/graph/ops/multiply.ts';
import { positionScale } from '../../../src/graph/ops/positionScale.ts';
import { positions } from '../../../src/graph/ops/positions.ts';
import { rmsNorm } from '../../../src/graph/ops/rmsNorm.ts';
import { rope } from '../../../src/graph/ops/rope.ts';
import { scale } from '../../../src/graph/ops/scale.ts';
import { selectRows } from '../../../src/graph/ops/selectRows.ts';
import { softcap } from '../../../src/graph/ops/softcap.ts';
import { weightedSum } from '../../../src/graph/ops/weightedSum.ts';
import { xielu } from '../../../src/graph/ops/xielu.ts';
import { formatByName } from '../../../src/tensor/formats.ts';
import type { Case, StepPlan } from '../case.ts';
import { type Differentiable, type TestGraph, VOCABULARY } from '../testGraph.ts';

/** Three sequences of four tokens, with some selected rows. */
const steps: readonly StepPlan[] = [{ T: 12, sequence: 4, rows: [0, 2, 3, 4, 6, 7, 9, 10, 11] }];

interface Plan {
  readonly name: string;
  build(test: TestGraph): Differentiable;
}

function gradientCase({ name, build }: Plan, rest: Partial<Case> = {}): Case {
  return {
    name: `${name}, differentiated`,
    arithmetic: 'layers',
    steps,
    differentiated: 'everywhere',
    build(test) {
      const plan = build(test);
      test.output('y', plan.y);
      test.differentiable = plan;
    },
    ...rest,
  };
}

/** Case of a function of rows [T, width] of a trainable table. */
function ofRows(name: string, width: number, f: (x: Value, test: TestGraph) => Value): Plan {
  return {
    name,
    build(test) {
      const table = test.floats(VOCABULARY, width);
      return { y: f(test.embedded(table), test), of: [table] };
    },
  };
}

function attentionCase(name: string, shape: Partial<AttentionAttributes>, sinks = false): Plan {
  const attributes = { layer: 0, heads: 4, kvHeads: 2, headSize: 6, scale: 0.5, window: 0, softcap: 0, ...shape };
  const { heads, kvHeads, headSize } = attributes;
  return {
    name: `attention, ${name}`,
    build(test) {
      const of = [heads, kvHeads, kvHeads].map((count) => test.floats(VOCABULARY, count * headSize));
      const [q, k, v] = of.map((table) => test.embedded(table));
      const own = sinks ? test.floats(1, heads) : undefined;
      return { y: attention(q, k, v, attributes, undefined, own), of };
    },
  };
}

/** A frozen matrix passes gradients to its input. */
function throughMatrixIn(format: string): Plan {
  return ofRows(`linear with a matrix in ${format}`, 256, (x, test) =>
    linear(x, test.blocks(formatByName(format), 9, 256)),
  );
}

/** Other backends than the reference round activations for such a matrix, so that their values are step functions. */
const rounded = ['Q4_0', 'Q6_K', 'TQ2_0'].map((format) =>
  gradientCase(throughMatrixIn(format), { arithmetic: 'int8', differentiated: 'by the reference' }),
);

const turning = { headSize: 8, frequencies: Float32Array.of(1, 0.3, 0.1), magnitude: 1.1 } as const;

const plans: readonly Plan[] = [
  {
    name: 'linear',
    build(test) {
      const [matrix, bias, table] = [test.floats(5, 12), test.floats(1, 5), test.floats(VOCABULARY, 12)];
      return { y: linear(test.embedded(table), matrix, bias), of: [matrix, bias, table] };
    },
  },
  throughMatrixIn('F16'),
  {
    name: 'embed by position',
    build(test) {
      const table = test.floats(32, 7);
      return { y: multiply(embed(table, positions(test.graph)), test.rows(7)), of: [table] };
    },
  },
  {
    name: 'a table that is the head too',
    build(test) {
      const table = test.floats(VOCABULARY, 9);
      return { y: linear(activation(test.embedded(table), 'silu'), table), of: [table] };
    },
  },
  {
    name: 'rmsNorm',
    build(test) {
      const [gain, table] = [test.floats(1, 9), test.floats(VOCABULARY, 9)];
      return { y: rmsNorm(test.embedded(table), gain, 1e-5), of: [gain, table] };
    },
  },
  {
    name: 'rmsNorm of heads',
    build(test) {
      const [gain, table] = [test.floats(1, 6), test.floats(VOCABULARY, 18)];
      return { y: rmsNorm(test.embedded(table), gain, 1e-5), of: [gain, table] };
    },
  },
  {
    name: 'layerNorm',
    build(test) {
      const [gain, bias, table] = [test.floats(1, 9), test.floats(1, 9), test.floats(VOCABULARY, 9)];
      return { y: layerNorm(test.embedded(table), gain, bias, 1e-5), of: [gain, bias, table] };
    },
  },
  ofRows('silu', 9, (x) => activation(x, 'silu')),
  ofRows('gelu', 9, (x) => activation(x, 'gelu')),
  ...(['geluErf', 'quickGelu', 'relu2', 'sigmoid', 'softplus', 'tanh'] as const).map((kind) =>
    ofRows(kind, 9, (x) => activation(x, kind)),
  ),
  // no value lies where the slope jumps
  ofRows('clamp', 9, (x) => clamp(x, 8)),
  ofRows('xielu', 9, (x) => xielu(x, { positive: 0.8, negative: 1.3, beta: 0.5, epsilon: -1e-6 })),
  ofRows('positionScale', 9, (x) => positionScale(x, { scale: 0.3, length: 3 })),
  {
    name: 'gain',
    build(test) {
      const [weights, bias, table] = [test.floats(1, 9), test.floats(1, 9), test.floats(VOCABULARY, 9)];
      return { y: gain(test.embedded(table), weights, 'gain', { bias }), of: [weights, bias, table] };
    },
  },
  ofRows('layerNorm of heads', 18, (x, test) => layerNorm(x, test.floats(1, 6), test.floats(1, 6), 1e-5)),
  ofRows('softcap', 9, (x) => softcap(x, 2)),
  ofRows('scale', 9, (x) => scale(x, -3)),
  ofRows('a sum and a product with itself', 9, (x) => add(multiply(x, x), add(x, x))),
  {
    name: 'add and multiply',
    build(test) {
      const of = Array.from({ length: 3 }, () => test.floats(VOCABULARY, 5));
      const [a, b, c] = of.map((table) => test.embedded(table));
      return { y: multiply(add(a, b), c), of };
    },
  },
  ...(['interleaved', 'half'] as const).map((layout) =>
    ofRows(`rope, ${layout}`, 16, (x, test) => {
      const factors = test.floats(1, 3, () => 1 + test.random.uniform());
      return add(rope(x, { ...turning, layout }), rope(x, { ...turning, layout, inverse: true }, factors));
    }),
  ),
  ofRows('columns that overlap', 12, (x) => multiply(columns(x, 2, 7), columns(x, 5, 7))),
  ofRows('selectRows', 5, (x) => selectRows(x)),
  ofRows('dropout', 40, (x, test) => {
    const seed = test.input(1, 1, 'i32', () => test.random.integer(2 ** 31));
    return dropout(x, seed, { rate: 0.3, salt: 7 });
  }),
  attentionCase('grouped heads', {}),
  attentionCase('window', { window: 3 }),
  attentionCase('softcap', { softcap: 1.5 }),
  attentionCase('sinks', { window: 5 }, true),
  attentionCase('not causal', { causal: false }),
  attentionCase('not causal, window and ALiBi', { causal: false, window: 3, alibi: 8 }),
  attentionCase('one key head, window and softcap', { heads: 3, kvHeads: 1, window: 5, softcap: 2 }),
  ofRows('crossEntropy', 11, (x, test) =>
    crossEntropy(
      selectRows(x),
      test.input('R', 1, 'i32', () => test.random.integer(12) - 1),
    ),
  ),
  ...[0, 0.4, 1].map((reverse) =>
    ofRows(`divergence, reverse ${reverse}`, 11, (x, test) =>
      klDivergence(selectRows(x), test.input('R', 11), { temperature: 1.7, reverse }),
    ),
  ),
  ofRows('weightedSum', 1, (x, test) => weightedSum(selectRows(x), test.input('R', 1))),
];

export const gradientCases: readonly Case[] = [...plans.map((plan) => gradientCase(plan)), ...rounded];
