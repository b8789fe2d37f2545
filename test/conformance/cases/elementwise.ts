/** Elementwise ops, alone and where a backend may fuse them. */
import type { Value } from '../../../src/graph/graph.ts';
import { activation } from '../../../src/graph/ops/activation.ts';
import { activationGradient } from '../../../src/graph/ops/activationGradient.ts';
import { add } from '../../../src/graph/ops/add.ts';
import { linear } from '../../../src/graph/ops/linear.ts';
import { multiply } from '../../../src/graph/ops/multiply.ts';
import { scale } from '../../../src/graph/ops/scale.ts';
import { selectRows } from '../../../src/graph/ops/selectRows.ts';
import { softcap } from '../../../src/graph/ops/softcap.ts';
import { softcapGradient } from '../../../src/graph/ops/softcapGradient.ts';
import { type Case, everyLength, sequences } from '../case.ts';
import type { TestGraph } from '../testGraph.ts';

/** Tolerance for e^x and tanh, which are f32 polynomials. */
const TOLERANCE = 1e-12;

function everyWidth(name: string, build: (test: TestGraph, width: number, name: string) => void): Case {
  return {
    name,
    tolerance: TOLERANCE,
    steps: everyLength,
    build: (test) => {
      for (const width of [1, 3, 4, 33, 64]) build(test, width, String(width));
    },
  };
}

const unary: Readonly<Record<string, (x: Value) => Value>> = {
  silu: (x) => activation(x, 'silu'),
  gelu: (x) => activation(x, 'gelu'),
  'softcap 30': (x) => softcap(x, 30),
  'softcap 1': (x) => softcap(x, 1),
  scale: (x) => scale(x, -2.5),
};

const gradients: Readonly<Record<string, (x: Value, dy: Value) => Value>> = {
  'gradient of silu': (x, dy) => activationGradient(x, dy, 'silu'),
  'gradient of gelu': (x, dy) => activationGradient(x, dy, 'gelu'),
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
