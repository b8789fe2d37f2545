/** Attention over the cache: head sizes, groups, windows, soft caps, cache formats, several steps. */
import { type AttentionAttributes, attention } from '../../../src/graph/ops/attention.ts';
import { attentionGradient } from '../../../src/graph/ops/attentionGradient.ts';
import { linear } from '../../../src/graph/ops/linear.ts';
import { type RopeAttributes, rope } from '../../../src/graph/ops/rope.ts';
import { type Arithmetic, type Case, type StepPlan, sequences } from '../case.ts';
import type { TestGraph } from '../testGraph.ts';

/** A prompt, single tokens, a few and many tokens at once; the second session starts from the middle of the first. */
const steps: readonly StepPlan[] = [
  { T: 17 },
  { T: 1 },
  { T: 1 },
  { T: 3 },
  { T: 2, cache: 1, copyOf: 0 },
  { T: 64, rows: [0, 1, 2, 31, 62, 63] },
  { T: 1 },
  { T: 1, cache: 1 },
  { T: 5 },
  { T: 4 },
  // later positions are discarded
  { T: 2, P: 20 },
  { T: 1 },
];

/** Scores with a deviation of 2, so that some positions dominate. */
const attributesOf = ({ sinks: _, ...shape }: Shape): AttentionAttributes => {
  return { layer: 0, scale: 2 / Math.sqrt(shape.headSize), window: 0, softcap: 0, ...shape };
};

type Shape = Pick<AttentionAttributes, 'heads' | 'kvHeads' | 'headSize'> &
  Partial<AttentionAttributes> & { readonly sinks?: boolean };

/** Attention of random queries, keys and values. */
function attend(test: TestGraph, shape: Shape) {
  const { heads, kvHeads, headSize } = shape;
  const attributes = attributesOf(shape);
  return attention(
    test.rows(heads * headSize),
    test.rows(kvHeads * headSize),
    test.rows(kvHeads * headSize),
    attributes,
    undefined,
    sinksOf(test, shape),
  );
}

/** As large as the largest scores. */
const sinksOf = (test: TestGraph, { heads, sinks = false }: Shape) =>
  sinks ? test.floats(1, heads, () => 2 + 2 * test.random.normal()) : undefined;

/**
 * With a quantized cache, a backend may round queries to ±32767 before it multiplies them, as it may round activations
 * for weights with signed codes (linear.ts).
 */
const arithmeticOf = (kv?: string): Arithmetic => (kv === 'Q8_0' ? 'int16' : 'functions');

function attentionCase(name: string, shape: Shape, rest: Partial<Case> = {}): Case {
  const build = (test: TestGraph) => test.output('y', attend(test, shape));
  return { name: `attention, ${name}`, arithmetic: arithmeticOf(rest.kv), steps, build, ...rest };
}

const headSizes = [1, 5, 6, 8, 12, 32, 64, 80, 96, 128, 256].map((headSize) =>
  attentionCase(`heads of ${headSize}`, { heads: 4, kvHeads: 2, headSize }),
);

const groups = [
  [1, 1],
  [4, 4],
  [6, 2],
  [4, 1],
  [7, 1],
  [14, 2],
].map(([heads, kvHeads]) =>
  attentionCase(`${heads} heads over ${kvHeads}`, { heads: heads, kvHeads: kvHeads, headSize: 16 }),
);

const windows = [1, 2, 5, 16, 64, 1000].map((window) =>
  attentionCase(`window ${window}`, { heads: 6, kvHeads: 2, headSize: 16, window }),
);

const narrow = [5, 12].map((headSize) =>
  attentionCase(`window 7, softcap 4, heads of ${headSize}`, { heads: 3, kvHeads: 1, headSize, window: 7, softcap: 4 }),
);

const softcaps = [50, 1].map((softcap) =>
  attentionCase(`softcap ${softcap}`, { heads: 4, kvHeads: 2, headSize: 32, softcap }),
);

const biased = [
  [8, 8],
  [12, 4],
  [7, 1],
].flatMap(([heads, kvHeads]) => [
  attentionCase(`ALiBi, ${heads} heads over ${kvHeads}`, { heads: heads, kvHeads: kvHeads, headSize: 16, alibi: 8 }),
  attentionCase(
    `ALiBi, F16 cache, ${heads} heads over ${kvHeads}`,
    { heads: heads, kvHeads: kvHeads, headSize: 16, alibi: 8, window: 9 },
    { kv: 'F16' },
  ),
]);

const sunk = [
  attentionCase('sinks', { heads: 6, kvHeads: 2, headSize: 16, sinks: true }),
  attentionCase('sinks, one head over one', { heads: 1, kvHeads: 1, headSize: 5, sinks: true }),
  attentionCase('sinks, window 5', { heads: 7, kvHeads: 1, headSize: 16, window: 5, sinks: true }),
  attentionCase('sinks, F16 cache', { heads: 4, kvHeads: 4, headSize: 32, softcap: 4, sinks: true }, { kv: 'F16' }),
  attentionCase('sinks, Q8_0 cache', { heads: 4, kvHeads: 2, headSize: 32, sinks: true }, { kv: 'Q8_0' }),
];

const formats = [
  ...[5, 8, 64, 80, 128].map((headSize) => ({ kv: 'F16', headSize })),
  ...[32, 64, 96, 256].map((headSize) => ({ kv: 'Q8_0', headSize })),
].flatMap(({ kv, headSize }) => [
  attentionCase(`${kv} cache, heads of ${headSize}`, { heads: 4, kvHeads: 2, headSize }, { kv }),
  attentionCase(`${kv} cache, window, heads of ${headSize}`, { heads: 3, kvHeads: 1, headSize, window: 9 }, { kv }),
]);

const turning: RopeAttributes = {
  headSize: 32,
  layout: 'half',
  frequencies: Float32Array.from({ length: 16 }, (_, i) => 10_000 ** (-i / 16)),
  magnitude: 1,
};

const withoutCache = [
  ...[1, 5, 8, 12, 64, 80, 128].map((headSize) => ({ heads: 4, kvHeads: 2, headSize })),
  { heads: 1, kvHeads: 1, headSize: 16 },
  { heads: 7, kvHeads: 1, headSize: 16 },
  ...[1, 5, 16].map((window) => ({ heads: 6, kvHeads: 2, headSize: 16, window })),
  { heads: 4, kvHeads: 2, headSize: 32, softcap: 4 },
  { heads: 3, kvHeads: 1, headSize: 12, softcap: 4, window: 7 },
  ...[0, 1, 2, 9, 33].map((window) => ({ heads: 6, kvHeads: 2, headSize: 16, window, causal: false })),
  { heads: 3, kvHeads: 1, headSize: 12, softcap: 4, window: 7, causal: false },
  { heads: 8, kvHeads: 8, headSize: 16, alibi: 8 },
  { heads: 12, kvHeads: 4, headSize: 16, alibi: 8, causal: false },
  { heads: 6, kvHeads: 2, headSize: 16, sinks: true },
  { heads: 3, kvHeads: 1, headSize: 12, window: 7, sinks: true },
].map((shape: Shape): Case => {
  const { heads, kvHeads, headSize, window, softcap, causal = true, alibi, sinks } = shape;
  const name = [
    `${heads} heads of ${headSize} over ${kvHeads}`,
    ...(window ? [`window ${window}`] : []),
    ...(softcap ? [`softcap ${softcap}`] : []),
    ...(causal ? [] : ['not causal']),
    ...(alibi ? [`ALiBi ${alibi}`] : []),
    ...(sinks ? ['sinks'] : []),
  ].join(', ');
  return {
    name: `attention without a cache and its gradients, ${name}`,
    arithmetic: 'functions',
    steps: [...sequences, { T: 100, sequence: 50 }],
    build(test) {
      const [q, k, v] = [test.rows(heads * headSize), test.rows(kvHeads * headSize), test.rows(kvHeads * headSize)];
      const attributes = attributesOf(shape);
      const own = sinksOf(test, shape);
      test.output('y', attention(q, k, v, attributes, undefined, own));
      const dy = test.rows(heads * headSize);
      test.output('gradients', attentionGradient(q, k, v, dy, attributes, undefined, own));
    },
  };
});

export const attentionCases: readonly Case[] = [
  ...headSizes,
  ...groups,
  ...windows,
  ...narrow,
  ...softcaps,
  ...biased,
  ...sunk,
  ...formats,
  ...withoutCache,
  attentionCase(
    'a long past',
    { heads: 4, kvHeads: 2, headSize: 32 },
    {
      context: 1021,
      steps: [{ T: 64 }, ...Array.from({ length: 14 }, () => ({ T: 64, rows: [0, 63] })), { T: 1 }, { T: 3 }],
    },
  ),
  ...['F32', 'F16', 'Q8_0'].map(
    (kv): Case => ({
      name: `attention, layers of different widths, ${kv} cache`,
      arithmetic: arithmeticOf(kv),
      steps,
      kv,
      build(test) {
        const shapes = [
          { heads: 4, kvHeads: 2, headSize: 32 },
          { heads: 3, kvHeads: 3, headSize: 64, window: 8 },
          { heads: 2, kvHeads: 1, headSize: 96, softcap: 20 },
        ];
        for (const [layer, shape] of shapes.entries()) test.output(`layer ${layer}`, attend(test, { layer, ...shape }));
      },
    }),
  ),
  {
    name: 'attention, as in a model',
    arithmetic: 'layers',
    steps,
    build(test) {
      const project = (columns: number) => linear(x, test.floats(columns, 48));
      let x = test.rows(48);
      for (let layer = 0; layer < 3; layer++) {
        const [q, k, v] = [rope(project(128), turning), rope(project(64), turning), project(64)];
        const shape = { layer, heads: 4, kvHeads: 2, headSize: 32, scale: 0.03, window: 0, softcap: 0 };
        x = linear(
          attention(q, k, v, shape),
          test.floats(48, 128, () => test.random.normal() / 11),
        );
      }
      test.output('y', x);
    },
  },
];
