/** Models that a student learns from, as one: their distributions' mean, cut to the likeliest tokens where that is asked for. */
import { backendByName } from '../backends/index.ts';
import { OptionError } from '../core/errors.ts';
import { expNonPositive } from '../core/exp.ts';
import { openCheckpoint } from '../formats/open.ts';
import type { CompileOptions, Program } from '../graph/program.ts';
import { buildModel } from '../models/buildModel.ts';
import { weightStore } from '../models/weightStore.ts';
import { topK } from '../runtime/sampling/topK.ts';
import type { TokenizerSpec } from '../tokenizer/spec.ts';
import { randomAt } from './data/randomAt.ts';
import type { Recipe } from './recipe/schema.ts';

type Distillation = NonNullable<Recipe['distillation']>;

export interface TeachingStep {
  /** Sequences of `sequence` tokens each, one after another. */
  readonly tokens: Int32Array;
  readonly sequence: number;
  /** Tokens whose successors are taught. */
  readonly rows: Int32Array;
  /** Number of the batch, for draws. */
  readonly index: number;
}

export interface Teacher {
  /** [R, V] whose softmax at the recipe's temperature is what is to be learned; a view that the next call overwrites. */
  logits(step: TeachingStep): Float32Array;
  dispose(): void;
}

export interface TeacherOptions extends Omit<CompileOptions, 'weights'> {
  readonly backend?: string;
  /** Of the student. */
  readonly tokenizer: TokenizerSpec;
  /** Of the student's logits: V. */
  readonly vocabulary: number;
  readonly seed: number;
}

/** What draws are for, so that they differ from those of the learner. */
const TAIL = 2;
/** The logarithm of no probability at all, finite, so that nothing times it is nothing. */
const NEVER = -1e4;

/** @throws {OptionError} for a teacher with another tokenizer; what opening and building a model throws */
export async function loadTeacher(distillation: Distillation, options: TeacherOptions): Promise<Teacher> {
  const programs: Program[] = [];
  const dispose = () => {
    for (const program of programs) program.dispose();
  };
  try {
    for (const { path } of distillation.teachers) programs.push(await compiled(path, options));
  } catch (error) {
    dispose();
    throw error;
  }
  const run = (program: Program, { tokens, sequence, rows }: TeachingStep): Float32Array => {
    program.run({ tokens, sequence, rows, outputs: ['logits'] });
    return program.output('logits');
  };
  const { vocabulary } = options;
  const isPlain = programs.length === 1 && distillation.topK === undefined && widthOf(programs[0]) === vocabulary;
  return {
    dispose,
    logits(step) {
      if (isPlain) return run(programs[0], step);
      const mean = new Float32Array(step.rows.length * vocabulary);
      const weights = distillation.teachers.map(({ weight }) => weight);
      const sum = weights.reduce((total, weight) => total + weight, 0);
      for (const [i, program] of programs.entries())
        addDistributions(run(program, step), widthOf(program), mean, vocabulary, distillation, weights[i] / sum);
      for (let row = 0; row < step.rows.length; row++) {
        const probabilities = mean.subarray(row * vocabulary, (row + 1) * vocabulary);
        cutTail(probabilities, distillation, () => randomAt(options.seed, TAIL, step.index, row));
        for (let id = 0; id < vocabulary; id++)
          probabilities[id] = distillation.temperature * Math.max(NEVER, Math.log(probabilities[id]));
      }
      return mean;
    },
  };
}

async function compiled(path: string, options: TeacherOptions): Promise<Program> {
  const { backend, tokenizer, vocabulary, context, signal, ...rest } = options;
  const checkpoint = await openCheckpoint(path, { signal });
  try {
    const difference = tokenizerDifference(tokenizer, checkpoint.tokenizer);
    if (difference) throw new OptionError('teacher', checkpoint.name, `the student's tokenizer, but ${difference}`);
    const model = buildModel(checkpoint, context);
    const width = model.graph.outputs.get('logits')!.shape[1];
    if (width < vocabulary) throw new OptionError('vocabulary of the teacher', width, `at least ${vocabulary}`);
    return await backendByName(backend).compile(model.graph, {
      ...rest,
      context,
      signal,
      weights: weightStore(model),
    });
  } finally {
    await checkpoint.close();
  }
}

const widthOf = ({ graph }: Program): number => graph.outputs.get('logits')!.shape[1];

/** Where two tokenizers cut texts or number tokens differently; undefined: nowhere. */
export function tokenizerDifference(own: TokenizerSpec, other: TokenizerSpec | undefined): string | undefined {
  if (!other) return 'it has none';
  const count = Math.min(own.tokens.length, other.tokens.length);
  for (let id = 0; id < count; id++) {
    if (own.tokens[id] !== other.tokens[id])
      return `token ${id} is ${JSON.stringify(other.tokens[id])} and not ${JSON.stringify(own.tokens[id])}`;
  }
  if (own.tokens.length !== other.tokens.length)
    return `it has ${other.tokens.length} tokens and not ${own.tokens.length}`;
  if (own.kind !== other.kind || own.merges?.join('\n') !== other.merges?.join('\n')) return 'its merges are others';
  return undefined;
}

/** mean[r] += weight · softmax(logits[r] / temperature), over the student's tokens. */
function addDistributions(
  logits: Float32Array,
  width: number,
  mean: Float32Array,
  vocabulary: number,
  { temperature }: Distillation,
  weight: number,
): void {
  for (let row = 0; row * vocabulary < mean.length; row++) {
    const from = row * width;
    let most = Number.NEGATIVE_INFINITY;
    for (let id = 0; id < vocabulary; id++) most = Math.max(most, logits[from + id]);
    let total = 0;
    for (let id = 0; id < vocabulary; id++) total += expNonPositive((logits[from + id] - most) / temperature);
    for (let id = 0; id < vocabulary; id++)
      mean[row * vocabulary + id] += (weight / total) * expNonPositive((logits[from + id] - most) / temperature);
  }
}

/**
 * Leaves the likeliest tokens, and of the others as many as are drawn, each with the same part of what these have together:
 * the expectation of the result is what came in (Anshumann et al. 2025, arXiv 2503.16870). With none drawn the likeliest
 * stand for all.
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
  const others = drawn(probabilities, rest, tail, random);
  probabilities.fill(0);
  for (const { id, probability } of likeliest) probabilities[id] = probability;
  for (const id of others) probabilities[id] += rest / others.length;
}

/** So many draws, with repetition, from weights of a given sum. */
function drawn(weights: Float32Array, sum: number, count: number, random: () => { uniform(): number }): number[] {
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
