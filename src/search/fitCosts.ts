/** Fits the costs of a table to the measured steps. */
import { quantile } from '../runtime/statistics.ts';
import type { AttentionCost, CostTable, OtherCost, ProductCost, ThreadsCost } from './costTable.ts';
import { fitNonNegative } from './leastSquares.ts';

/** A measured step, split by kind. Seconds. */
export interface Sample {
  readonly format: string;
  readonly tokens: number;
  readonly threads: number;
  /** True if the model does not fit the caches. */
  readonly isLarge: boolean;
  /** The step as its caller sees it. */
  readonly seconds: number;
  /** Part of the step that no command took. */
  readonly outside: number;
  readonly products: readonly { readonly outputs: number; readonly inputs: number; readonly seconds: number }[];
  readonly attention: readonly { readonly pairs: number; readonly bytes: number; readonly seconds: number }[];
  readonly other: { readonly nodes: number; readonly elements: number; readonly seconds: number };
}

export function fitCosts(samples: readonly Sample[]): Pick<CostTable, 'products' | 'attention' | 'other' | 'threads'> {
  const alone = samples.filter(({ threads }) => threads === 1);
  const byTokens = grouped(alone, ({ tokens }) => `${tokens}`);
  return {
    products: grouped(alone, ({ format, tokens }) => `${format} ${tokens}`).map(fitProducts),
    attention: byTokens.map(fitAttention),
    other: byTokens.map(fitOther),
    threads: grouped(samples, ({ tokens, threads }) => `${tokens} ${threads}`).map((group) => fitThreads(group, alone)),
  };
}

function fitProducts(samples: readonly Sample[]): ProductCost {
  const { format, tokens } = samples[0];
  const observations = samples.flatMap(({ products, isLarge }) =>
    products.map(({ outputs, inputs, seconds }) => {
      const weights = outputs * inputs;
      return { features: [1, outputs, isLarge ? 0 : weights, isLarge ? weights : 0], value: seconds };
    }),
  );
  const [call, output, cached, streamed] = fitNonNegative(observations, 4);
  return { format, tokens, call: call, output: output, cached: cached, streamed: streamed };
}

function fitAttention(samples: readonly Sample[]): AttentionCost {
  const { tokens } = samples[0];
  const observations = samples.flatMap(({ attention, isLarge }) =>
    attention.map(({ pairs, bytes, seconds }) => ({ features: [1, pairs, isLarge ? bytes : 0], value: seconds })),
  );
  const [call, pair, streamedByte] = fitNonNegative(observations, 3);
  return { tokens, call: call, pair: pair, streamedByte: streamedByte };
}

function fitOther(samples: readonly Sample[]): OtherCost {
  const { tokens } = samples[0];
  const observations = samples.map(({ other }) => ({ features: [other.nodes, other.elements], value: other.seconds }));
  const [node, element] = fitNonNegative(observations, 2);
  return { tokens, node: node, element: element };
}

/** Compares whole steps with the same work on one thread. Commands of several threads overlap, so their traces are not used. */
function fitThreads(samples: readonly Sample[], alone: readonly Sample[]): ThreadsCost {
  const { tokens, threads } = samples[0];
  const step = quantile(
    samples.map(({ outside }) => outside),
    0.5,
  );
  if (threads === 1) return { tokens, threads, cached: 1, streamed: 1, other: 1, barrier: 0, step };
  const observations = samples.map((sample) => {
    const single = alone.find((other) => isSameStep(sample, other)) ?? sample;
    const products = sum(single.products);
    const rest = sum(single.attention) + single.other.seconds;
    const nodes = single.products.length + single.attention.length + single.other.nodes;
    const [cached, streamed] = sample.isLarge ? [0, products] : [products, 0];
    return { features: [cached, streamed, rest, nodes, 1], value: sample.seconds };
  });
  const [cached, streamed, other, barrier, outside] = fitNonNegative(observations, 5);
  return { tokens, threads, cached: cached, streamed: streamed, other: other, barrier: barrier, step: outside };
}

function isSameStep(a: Sample, b: Sample): boolean {
  const pairs = ({ attention }: Sample) => attention[0]?.pairs;
  return (
    a.format === b.format &&
    a.tokens === b.tokens &&
    a.isLarge === b.isLarge &&
    a.products.length === b.products.length &&
    pairs(a) === pairs(b) &&
    a.products[0]?.outputs === b.products[0]?.outputs
  );
}

function sum(parts: readonly { readonly seconds: number }[]): number {
  return parts.reduce((total, { seconds }) => total + seconds, 0);
}

function grouped(samples: readonly Sample[], key: (sample: Sample) => string): Sample[][] {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) groups.set(key(sample), [...(groups.get(key(sample)) ?? []), sample]);
  return [...groups.values()];
}
