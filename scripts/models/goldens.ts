/**
 * Goldens: results of llama.cpp, in test/goldens, made by scripts/makeGoldens.ts. A golden
 * describes how to generate its model, so that a test can generate it and compare the engine's distributions.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { FormatError } from '../../src/core/errors.ts';
import { blockFormats } from '../../src/tensor/formats.ts';
import { architectures } from './architectures.ts';
import { type ModelOptions, makeModel } from './gguf.ts';

const folder = new URL('../../test/goldens/', import.meta.url);

/** Model of a golden: generated, or a file of the shared data. */
export type GoldenModel = { readonly made: ModelOptions } | { readonly shared: string };

export interface GoldenPlan {
  readonly name: string;
  readonly model: GoldenModel;
  /** Prompts to continue greedily, and the number of tokens. */
  readonly greedy?: { readonly prompts: readonly string[]; readonly tokens: number };
  /** Context lengths for the perplexity of `gardenText`. */
  readonly perplexity?: readonly number[];
}

export interface Golden {
  readonly name: string;
  readonly model: GoldenModel;
  /** SHA-256 of the model's file. */
  readonly sha256: string;
  readonly oracle: string;
  /** Forced tokens, from position 0 on. */
  readonly tokens: readonly number[];
  /** Next-token distributions, one row of the vocabulary after each token. */
  readonly probabilities: readonly Float64Array[];
  readonly greedy?: readonly Greedy[];
  readonly perplexity?: readonly Perplexity[];
}

export interface Greedy {
  readonly prompt: string;
  /** Ids of the prompt, including BOS. */
  readonly tokens: readonly number[];
  /** Greedy continuation. */
  readonly continuation: readonly number[];
}

/** Perplexity as in llama-perplexity: only whole chunks, each with BOS if the vocabulary adds one; the second half is scored. */
export interface Perplexity {
  /** Ids of `gardenText`, including BOS. */
  readonly tokens: readonly number[];
  /** Tokens per chunk. */
  readonly context: number;
  /** Sum of the negative log-likelihoods of each chunk's scored tokens, in nats. */
  readonly nll: readonly number[];
  /** Total number of scored tokens. */
  readonly scored: number;
  readonly perplexity: number;
}

/** Formats without an encoder: their models have random bytes in the layers, and a head that is encoded. */
const decodeOnlyFormats = blockFormats.flatMap(({ name, decodeOnly }) => (decodeOnly ? [name] : []));
const everyFormat = [
  ...['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K'],
  ...['IQ4_NL', 'IQ4_XS', 'TQ1_0', 'TQ2_0', 'MXFP4'],
  ...decodeOnlyFormats,
];
const someFormats = ['F32', 'F16', 'Q8_0', 'Q4_0'];

/** All goldens: each architecture in four formats, llama in all formats, and a small story model. */
export const goldenPlans: readonly GoldenPlan[] = [
  {
    name: 'stories260K',
    model: { shared: 'weights/stories260K.gguf' },
    greedy: { prompts: ['Once upon a time', ''], tokens: 200 },
    perplexity: [64, 128],
  },
  ...architectures.flatMap(({ name }) =>
    (name === 'llama' ? everyFormat : someFormats).map((format): GoldenPlan => {
      // a ternary model is trained to be ternary, and only in its layers
      const ternary = format.startsWith('TQ') ? { ternary: true, headFormat: 'Q6_K' } : {};
      const head = decodeOnlyFormats.includes(format) ? { headFormat: 'Q6_K' } : {};
      const perplexity = name === 'gpt2' && format === 'F32' ? { perplexity: [64] } : {};
      return {
        name: `${name}-${format}`,
        model: { made: { architecture: name, format, ...ternary, ...head } },
        ...perplexity,
      };
    }),
  ),
];

/** Names of the goldens, in the order of `goldenPlans`. */
export function listOfGoldens(): string[] {
  return goldenPlans.map(({ name }) => name);
}

/** @throws {Error} if the golden does not exist */
export async function readGolden(name: string): Promise<Golden> {
  const bytes = gunzipSync(await readFile(goldenFile(name)));
  const end = bytes.indexOf('\n');
  const facts: Omit<Golden, 'probabilities'> = JSON.parse(bytes.toString('utf8', 0, end));
  return { ...facts, probabilities: unpack(bytes.subarray(end + 1), facts.tokens.length) };
}

/** Writes a golden: gzip of a line of JSON and the packed probabilities. */
export async function writeGolden(golden: Golden): Promise<void> {
  const { probabilities, ...facts } = golden;
  const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(facts)}\n`), pack(probabilities)]);
  await writeFile(goldenFile(golden.name), gzipSync(bytes, { level: 9 }));
}

/**
 * Generates the model of a golden.
 * @throws {FormatError} if it differs from the model that llama.cpp ran
 */
export async function goldenModel(golden: Golden): Promise<Uint8Array> {
  if (!('made' in golden.model)) throw new Error(`${golden.name} uses ${golden.model.shared}, which is not generated`);
  const bytes = await makeModel(golden.model.made);
  const found = sha256(bytes);
  if (found === golden.sha256) return bytes;
  const problem = `its generated model has changed (sha256 ${found}, expected ${golden.sha256}): run scripts/makeGoldens.ts again`;
  throw new FormatError(golden.name, problem, { expected: golden.sha256, found });
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export interface Agreement {
  /** Mean of KL(llama.cpp ‖ ours) over positions, in nats. */
  readonly meanKl: number;
  readonly maxKl: number;
  /** Fraction of positions with the same most likely token. */
  readonly top1: number;
}

/** @param logits our logits, one row per token of the golden */
export function agreement(golden: Golden, logits: readonly ArrayLike<number>[]): Agreement {
  const kl = golden.probabilities.map((p, at) => klDivergence(p, softmax(logits[at])));
  const same = golden.probabilities.filter((p, at) => largest(p) === largest(logits[at])).length;
  return {
    meanKl: kl.reduce((sum, value) => sum + value, 0) / kl.length,
    maxKl: Math.max(...kl),
    top1: same / kl.length,
  };
}

/** KL(p ‖ q) in nats. */
export function klDivergence(p: ArrayLike<number>, q: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) if (p[i] > 0) sum += p[i] * Math.log(p[i] / q[i]);
  return sum;
}

export function softmax(logits: ArrayLike<number>): Float64Array {
  const top = logits[largest(logits)];
  const weights = Float64Array.from(logits, (logit) => Math.exp(logit - top));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Index of the maximum; of equal ones the first. */
export function largest(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

function goldenFile(name: string): URL {
  return new URL(`${name}.golden.gz`, folder);
}

/** Quantization steps of a stored log-probability per nat. Rounding adds less than 1e-7 to a KL divergence. */
const STEPS = 1024;

/** -log p in steps, u16. All low bytes come first, then all high bytes, because they compress better separately. */
function pack(rows: readonly Float64Array[]): Uint8Array {
  const steps = rows.flatMap((row) => Array.from(row, (p) => Math.min(0xffff, Math.round(-Math.log(p) * STEPS))));
  return Uint8Array.from([...steps.map((step) => step & 255), ...steps.map((step) => step >> 8)]);
}

function unpack(bytes: Uint8Array, rows: number): Float64Array[] {
  const count = bytes.length / 2;
  const width = count / rows;
  const logProbability = (at: number) => -(bytes[at] + 256 * bytes[count + at]) / STEPS;
  return Array.from({ length: rows }, (_, row) =>
    softmax(Array.from({ length: width }, (_, i) => logProbability(row * width + i))),
  );
}
