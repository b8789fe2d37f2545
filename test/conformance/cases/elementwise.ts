/** Elementwise ops, alone and where a backend may fuse them. */
import type { Value } from '../../../src/graph/graph.ts';
import { activation } from '../../../src/graph/ops/activation.ts';
import { activationGradient } from '../../../src/graph/ops/activationGradient.ts';
import { add } from '../../../src/graph/ops/add.ts';
import { clamp } from '../../../src/graph/ops/clamp.ts';
import { clampGradient } from '../../../src/graph/ops/clampGradient.ts';
import { gain } from '../../../src/graph/ops/gain.ts';
import { linear } from '../../../src/graph/ops/linear.ts';
import { multiply } from '../../../src/graph/ops/multiply.ts';
import { positionScale } from '../../../src/graph/ops/positionScale.ts';
import { scale } from '../../../src/graph/ops/scale.ts';
import { selectRows } from '../../../src/graph/ops/selectRows.ts';
import { softcap } from '../../../src/graph/ops/softcap.ts';
import { softcapGradient } from '../../../src/graph/ops/softcapGradient.ts';
import { xielu } from '../../../src/graph/ops/xielu.ts';
import { xieluGradient } from '../../../src/graph/ops/xieluGradient.ts';
import { type Case, everyLength, sequences } from '../case.ts';
import type { TestGraph } from '../testGraph.ts';

function everyWidth(name: string, build: (test: TestGraph, width: number, name: string) => void): Case {
  return {
    name,
    arithmetic: 'sums',
    steps: everyLength,
    build: (test) => {
      for (const width of [1, 3, 4, 33, 64]) build(test, width, String(width));
    },
  };
}

/** The activations besides silu and gelu. */
const activations = ['geluErf', 'quickGelu', 'relu', 'relu2', 'sigmoid', 'softplus', 'tanh'] as const;
const XIELU = { positive: 0.8, negative: 1.3, beta: 0.5, epsilon: -1e-6 };

const unary: Readonly<Record<string, (x: Value) => Value>> = {
  silu: (x) => activation(x, 'silu'),
  gelu: (x) => activation(x, 'gelu'),
  'softcap 30': (x) => softcap(x, 30),
  'softcap 1': (x) => softcap(x, 1),
  scale: (x) => scale(x, -2.5),
  ...Object.fromEntries(activations.map((kind) => [kind, (x: Value) => activation(x, kind)])),
  clamp: (x) => clamp(x, 1),
  'clamp from above': (x) => clamp(x, 0.5, undefined, -1e6),
  xielu: (x) => xielu(x, XIELU),
};

const gradients: Readonly<Record<string, (x: Value, dy: Value) => Value>> = {
  'gradient of silu': (x, dy) => activationGradient(x, dy, 'silu'),
  'gradient of gelu': (x, dy) => activationGradient(x, dy, 'gelu'),
  ...Object.fromEntries(
    activations.map((kind) => [`gradient of ${kind}`, (x: Value, dy: Value) => activationGradient(x, dy, kind)]),
  ),
  'gradient of clamp': (x, dy) => clampGradient(x, dy, 50),
  'gradient of xielu': (x, dy) => xieluGradient(x, dy, XIELU),
  'gradient of softcap 30': (x, dy) => softcapGradient(x, dy, 30),
  'gradient of softcap 1': (x, dy) => softcapGradient(x, dy, 1),
};

export const elementwiseCases: readonly Case[] = [
  ...Object.entries(unary).map(([name, op]) =>
    everyWidth(name, (test, width, label) => {
      test.output(`${label} of ±3`, op(test.rows(width)));
      test.output(`${label} of ±300`, op(test.rows(width, 100)));
      test.output(`${label} of ±1e-3`, op(test.rows(width, 1e-3)));
      test.output(`${label} of selected rows`, op(selectRows(test.rows(width))));
    }),
  ),
  ...Object.entries(gradients).map(
    ([name, op]): Case => ({
      ...everyWidth(name, (test, width, label) => {
        for (const deviation of [1, 100, 1e-3])
          test.output(`${label} of ±${deviation}`, op(test.rows(width, deviation), test.rows(width)));
        test.output(`${label} of selected rows`, op(selectRows(test.rows(width)), selectRows(test.rows(width))));
      }),
      steps: sequences,
    }),
  ),
  everyWidth('add and multiply', (test, width, label) => {
    const [a, b] = [test.rows(width), test.rows(width)];
    test.output(`sum ${label}`, add(a, b));
    test.output(`product ${label}`, multiply(a, b));
    test.output(`double ${label}`, add(a, a));
    test.output(`square ${label}`, multiply(b, b));
    test.output(`of selected rows ${label}`, multiply(selectRows(a), add(selectRows(a), selectRows(b))));
  }),
  everyWidth('gain', (test, width, label) => {
    const [each, all] = [test.floats(1, width), test.floats(1, 1)];
    test.output(`${label} by column`, gain(test.rows(width), each));
    test.output(`${label} of selected rows`, gain(selectRows(test.rows(width)), each));
    test.output(`${label} of all, with a bias`, gain(test.rows(width), all, 'gain', { bias: each }));
    const heads = test.floats(3, width, () => 1 + test.random.uniform());
    test.output(`${label} of three heads, inverse`, gain(test.rows(3 * width), heads, 'gain', { inverse: true }));
  }),
  {
    ...everyWidth('positionScale', (test, width, label) => {
      test.output(label, positionScale(test.rows(width), { scale: 0.3, length: 3 }));
    }),
    steps: [{ T: 17 }, { T: 1 }, { T: 5 }],
  },
  everyWidth('other activations multiplied', (test, width, label) => {
    for (const kind of activations)
      test.output(`${kind} · x ${label}`, multiply(activation(test.rows(width), kind), test.rows(width)));
  }),
  everyWidth('activations multiplied', (test, width, label) => {
    const rows = () => test.rows(width);
    test.output(`silu · x ${label}`, multiply(activation(rows(), 'silu'), rows()));
    test.output(`x · gelu ${label}`, multiply(rows(), activation(rows(), 'gelu')));
    const shared = activation(rows(), 'silu');
    test.output(`silu of two uses ${label}`, add(multiply(shared, rows()), shared));
    test.output(`silu · gelu ${label}`, multiply(activation(rows(), 'silu'), activation(rows(), 'gelu')));
    const square = activation(rows(), 'gelu');
    test.output(`gelu² ${label}`, multiply(square, square));
  }),
  everyWidth('residuals', (test, width, label) => {
    const product = () => linear(x, test.floats(width, width));
    const x = test.rows(width);
    // all positions of an addition next to a matrix product that it could be fused with
    test.output(`x + Wx ${label}`, add(x, product()));
    test.output(`Wx + Vx ${label}`, add(product(), product()));
    const twice = product();
    test.output(`Wx + Wx ${label}`, add(twice, twice));
    const kept = product();
    test.output(`Wx ${label}`, kept);
    test.output(`kept Wx + x ${label}`, add(kept, x));
    const late = product();
    test.output(`Wx + later ${label}`, add(late, activation(x, 'silu')));
    const [first, second] = [product(), product()];
    test.output(`Vx + (Wx + x) ${label}`, add(second, add(first, x)));
  }),
];
