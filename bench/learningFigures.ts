/** The figures that learning is held to. Adding one is adding an entry. */
import type { FreshSizes } from '../src/models/architecture.ts';
import type { Figure } from './contest.ts';
import { threadsOf } from './engines.ts';
import {
  type Learning,
  learning,
  type Products,
  productSpeed,
  products,
  tensorFlow,
  trainingStep,
} from './learningEngines.ts';

const usual = { tied: true, normEpsilon: 1e-5, ropeBase: 10_000 };
/** 3.0 million weights. */
const small: FreshSizes = {
  ...usual,
  layers: 4,
  width: 256,
  heads: 4,
  kvHeads: 2,
  headSize: 64,
  ffn: 512,
  vocabulary: 2560,
  context: 256,
};
/** What nanoGPT's README has for CPUs, as ours is in recipes/shakespeare-char.json. */
const nano: FreshSizes = {
  ...usual,
  layers: 4,
  width: 128,
  heads: 4,
  kvHeads: 4,
  headSize: 32,
  ffn: 512,
  vocabulary: 65,
  context: 64,
};

const llama3m = learning('llama of 3M', 'llama', small, { batch: 8, sequence: 256, runs: 4 });
const nanoGpt = learning("nanoGPT's", 'gpt2', nano, { batch: 12, sequence: 64, runs: 10 });
const ours = [trainingStep(2)];

/** Of a step of 2,048 tokens of such models. */
const shapes = [
  { outputs: 256, inputs: 256 },
  { outputs: 768, inputs: 256 },
  { outputs: 256, inputs: 768 },
  { outputs: 4096, inputs: 256 },
].map((shape) => products({ rows: 2048, ...shape, runs: 20 }));

/** `name` is begun by what is measured, so that figures can be chosen by how their names begin. */
export const learningFigures: readonly Figure[] = [
  ...shapes.flatMap((contest) => [1, 2].flatMap((threads) => productFigures(contest, threads))),
  {
    name: 'step-3m',
    title: "a step's flops beside the FMA peak, llama of 3M",
    contest: llama3m,
    reading: 'stepFlopsPerSecond',
    ours,
    against: ours,
    againstReading: 'peakFlopsPerSecond',
    must: { atLeast: 0.45 },
  } satisfies Figure<Learning>,
  {
    name: 'memory-3m',
    title: 'memory beside what the graph needs, llama of 3M',
    contest: llama3m,
    reading: 'learningMemoryBytes',
    ours,
    against: ours,
    againstReading: 'neededMemoryBytes',
    must: { atMost: 1.3 },
  } satisfies Figure<Learning>,
  ...beside(llama3m, '3m'),
  ...beside(nanoGpt, 'nanogpt'),
];

/** The FMA peak is measured in the same runs. */
function productFigures(contest: Products, threads: number): Figure<Products>[] {
  const engine = [productSpeed(threads)];
  const { outputs, inputs } = contest.work;
  const kinds = {
    forward: 'forwardFlopsPerSecond',
    'input gradient': 'inputGradientFlopsPerSecond',
    'weight gradient': 'weightGradientFlopsPerSecond',
  } as const;
  return Object.entries(kinds).map(([kind, reading]) => ({
    name: `products-${outputs}x${inputs}-${kind.replace(' ', '-')}-${threads}`,
    title: `${kind}, ${outputs} × ${inputs}, ${threadsOf(threads)}`,
    contest,
    reading,
    ours: engine,
    against: engine,
    againstReading: 'peakFlopsPerSecond',
    must: { atLeast: 0.7 },
  }));
}

/** The same step by TensorFlow.js, and that it is the same: weights and batch are, so losses must be. */
function beside(contest: Learning, name: string): Figure<Learning>[] {
  const [stock, rewritten] = [tensorFlow('stock'), tensorFlow('rewritten')];
  const tokens = { contest, ours, reading: 'learnedTokensPerSecond' } as const;
  const title = `learning, ${contest.title}`;
  return [
    { name: `tokens-${name}`, title, ...tokens, against: [stock], must: { atLeast: 10 } },
    {
      name: `rewritten-${name}`,
      title: `${title}, beside rewritten products`,
      ...tokens,
      against: [rewritten],
      must: { atLeast: 3 },
      aim: 10,
    },
    {
      name: `loss-${name}`,
      title: `loss before the last update, ${contest.title}`,
      contest,
      ours,
      against: [stock],
      reading: 'loss',
      must: { within: 1e-3 },
    },
  ];
}
