/** Distillation teachers: several models combined to one by averaging their distributions, optionally limited to the top k tokens. */
import { backendByName } from '../backends/index.ts';
import { OptionError } from '../core/errors.ts';
import { expNonPositive } from '../core/exp.ts';
import { openCheckpoint } from '../formats/open.ts';
import type { CompileOptions, Program } from '../graph/program.ts';
import { buildModel } from '../models/buildModel.ts';
import { weightStore } from '../models/weightStore.ts';
import { topK } from '../sampling/topK.ts';
import type { TokenizerSpec } from '../tokenizer/spec.ts';
import { randomAt } from './data/randomAt.ts';
import { type LargerVocabulary, largerVocabulary } from './largerVocabulary.ts';
import type { Recipe } from './recipe/schema.ts';

type Distillation = NonNullable<Recipe['distillation']>;

export interface TeachingStep {
  /** Sequences of `sequence` tokens each, concatenated. */
  readonly tokens: Int32Array;
  readonly sequence: number;
  /** Rows whose next-token distribution is computed. */
  readonly rows: Int32Array;
  /** [R] token that follows each row in the text. */
  readonly targets: Int32Array;
  /** [R] 1: learn the teachers' distribution; 0: learn the target with probability 1. */
  readonly distilled: Uint8Array;
  /** Index of the batch; seeds the sampling of tail tokens. */
  readonly index: number;
}

export interface Teacher {
  /** Returns logits [R, V]. Their softmax at the recipe's temperature is the distribution to learn. */
  logits(step: TeachingStep): Promise<Float32Array>;
  dispose(): void;
}

export interface TeacherOptions extends Omit<CompileOptions, 'weights'> {
  readonly backend?: string;
  /** The student's tokenizer. */
  readonly tokenizer: TokenizerSpec;
  /** Width of the student's logits, V. */
  readonly vocabulary: number;
  readonly seed: number;
}

/** Stream of random numbers, see `randomAt`. */
const TAIL = 2;
/** Logit of a token with probability 0. Finite, so that 0 times it is 0. */
const NEVER = -1e4;

/** @throws {OptionError} if a teacher lacks a token of the student; errors of opening and building the models */
export async function loadTeacher(distillation: Distillation, options: TeacherOptions): Promise<Teacher> {
  const members: Member[] = [];
  const dispose = () => {
    for (const { program } of members) program.dispose();
  };
  try {
    for (const { path } of distillation.teachers) members.push(await loadMember(path, options));
  } catch (error) {
    dispose();
    throw error;
  }
  const { vocabulary } = options;
  return {
    dispose,
    async logits(step) {
      if (members.length === 1 && distillation.topK === undefined) {
        const logits = await logitsOf(members[0], step, vocabulary);
        return withCertain(logits, step, vocabulary, (row) => step.distilled[row] === 0);
      }
      const mean = new Float32Array(step.rows.length * vocabulary);
      const weights = distillation.teachers.map(({ weight }) => weight);
      const sum = weights.reduce((total, weight) => total + weight, 0);
      for (const [i, member] of members.entries())
        addDistributions(await logitsOf(member, step, vocabulary), mean, vocabulary, distillation, weights[i] / sum);
      for (let row = 0; row < step.rows.length; row++) {
        const probabilities = mean.subarray(row * vocabulary, (row + 1) * vocabulary);
        cutTail(probabilities, distillation, () => randomAt(options.seed, TAIL, step.index, row));
        for (let id = 0; id < vocabulary; id++)
          probabilities[id] = distillation.temperature * Math.max(NEVER, Math.log(probabilities[id]));
      }
      return withCertain(mean, step, vocabulary, (row) => step.distilled[row] === 0);
    },
  };
}

/** Puts all probability of some rows on their target. */
function withCertain(
  logits: Float32Array,
  { targets }: TeachingStep,
  vocabulary: number,
  isCertain: (row: number) => boolean,
): Float32Array {
  for (const [row, target] of targets.entries())
    if (isCertain(row)) logits.fill(NEVER, row * vocabulary, (row + 1) * vocabulary)[row * vocabulary + target] = 0;
  return logits;
}

/** One of the teachers. */
interface Member {
  readonly program: Program;
  /** Undefined if the teacher has the student's tokens. */
  readonly larger?: LargerVocabulary;
}

async function loadMember(path: string, options: TeacherOptions): Promise<Member> {
  const { backend, tokenizer, vocabulary, context, signal, ...rest } = options;
  const checkpoint = await openCheckpoint(path, { signal });
  try {
    const larger = largerVocabulary(tokenizer, checkpoint.tokenizer, checkpoint.name);
    const model = buildModel(checkpoint, context);
    const width = model.graph.outputs.get('logits')!.shape[1];
    if (width < vocabulary) throw new OptionError('teacher vocabulary', width, `at least ${vocabulary}`);
    const limits = { ...rest, context, signal };
    const program = await backendByName(backend).compile(model.graph, { ...limits, weights: weightStore(model) });
    await checkpoint.finish?.(signal);
    return { program, larger };
  } finally {
    await checkpoint.close();
  }
}

/** Returns logits [R, V] over the student's tokens. */
async function logitsOf({ program, larger }: Member, step: TeachingStep, vocabulary: number): Promise<Float32Array> {
  const encoded = larger?.encode(step.tokens, step.sequence);
  const ends = step.rows.map((row) => (encoded ? encoded.ends[row] : row));
  // rows without an end are computed for nothing: their next token is certain
  const rows = ends.map((row) => Math.max(0, row));
  const tokens = encoded?.tokens ?? step.tokens;
  const logits = await program.run({ tokens, sequence: step.sequence, rows, outputs: ['logits'] }).output('logits');
  const width = logits.length / rows.length;
  if (!larger && width === vocabulary) return logits;
  const own = new Float32Array(rows.length * vocabulary);
  for (let row = 0; row < rows.length; row++) {
    const all = logits.subarray(row * width, (row + 1) * width);
    const projected = own.subarray(row * vocabulary, (row + 1) * vocabulary);
    if (larger) larger.project(all, projected);
    else projected.set(all.subarray(0, vocabulary));
  }
  return withCertain(own, step, vocabulary, (row) => ends[row] < 0);
}

/** mean[r] += weight · softmax(logits[r] / temperature) */
function addDistributions(
  logits: Float32Array,
  mean: Float32Array,
  vocabulary: number,
  { temperature }: Distillation,
  weight: number,
): void {
  for (let from = 0; from < mean.length; from += vocabulary) {
    let maximum = Number.NEGATIVE_INFINITY;
    for (let i = from; i < from + vocabulary; i++) maximum = Math.max(maximum, logits[i]);
    let total = 0;
    for (let i = from; i < from + vocabulary; i++) total += expNonPositive((logits[i] - maximum) / temperature);
    for (let i = from; i < from + vocabulary; i++)
      mean[i] += (weight / total) * expNonPositive((logits[i] - maximum) / temperature);
  }
}

/**
 * Keeps the top k tokens and a random sample of the others (`tail`). Each sampled token gets an equal share of the
 * others' total probability, so the expectation of the result is the input (Anshumann et al. 2025, arXiv 2503.16870).
 * Without a sample, only the top k tokens keep their probability.
 */
function cutTail(
  probabilities: Float32Array,
  { topK: kept, tail }: Distillation,
  random: () => { uniform(): number },
): void {
  if (kept === undefined || kept >= probabilities.length) return;
  const likeliest = topK(probabilities, kept).map(({ id }) => ({ id, probability: probabilities[id] }));
  for (const { id } of likeliest) probabilities[id] = 0;
  const rest = probabilities.reduce((sum, value) => sum + value, 0);
  const others = sampleWithReplacement(probabilities, rest, tail, random);
  probabilities.fill(0);
  for (const { id, probability } of likeliest) probabilities[id] = probability;
  for (const id of others) probabilities[id] += rest / others.length;
}

/** Samples `count` indices in proportion to their weights, with replacement. @param sum of the weights */
function sampleWithReplacement(
  weights: Float32Array,
  sum: number,
  count: number,
  random: () => { uniform(): number },
): number[] {
  if (count === 0 || sum === 0) return [];
  const source = random();
  const places = Array.from({ length: count }, () => source.uniform() * sum).sort((a, b) => a - b);
  const found: number[] = [];
  let passed = 0;
  let last = 0;
  for (let id = 0; id < weights.length && found.length < count; id++) {
    if (weights[id] === 0) continue;
    last = id;
    passed += weights[id];
    while (found.length < count && places[found.length] < passed) found.push(id);
  }
  while (found.length < count) found.push(last);
  return found;
}
