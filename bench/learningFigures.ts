/** The figures of training, with the required ratios. To add one, add an entry. */
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
/** The CPU settings of nanoGPT's README, as in recipes/shakespeare-char.json. */
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

/** Products of a step of 2,048 tokens of these models. */
const shapes = [
  { outputs: 256, inputs: 256 },
  { outputs: 768, inputs: 256 },
  { outputs: 256, inputs: 768 },
  { outputs: 4096, inputs: 256 },
].map((shape) => products({ rows: 2048, ...shape, runs: 20 }));

/** Names start with what is measured, so that figures can be selected by prefix. */
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
    title: 'memory compared with the needs of the graph, llama of 3M',
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

/** Compared with the FMA peak of the same run. */
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

/** The same step in TensorFlow.js. Weights and batch are the same, so the losses must be equal. */
function beside(contest: Learning, name: string): Figure<Learning>[] {
  const [stock, rewritten] = [tensorFlow('stock'), tensorFlow('rewritten')];
  const tokens = { contest, ours, reading: 'learnedTokensPerSecond' } as const;
  const title = `learning, ${contest.title}`;
  return [
    { name: `tokens-${name}`, title, ...tokens, against: [stock], must: { atLeast: 10 } },
    {
      name: `rewritten-${name}`,
      title: `${title}, with rewritten products`,
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
