/** Measures the speed of a loaded model. */
import { peakMemoryBytes } from '#leaf/runtime/memory';
import { ContextError } from '../core/errors.ts';
import { type Random, seededRandom } from '../core/random.ts';
import type { ProgramDescription } from '../graph/program.ts';
import type { ChoiceRule } from '../sampling/chooseToken.ts';
import { abortSignal, checkOptions, wholeNumber } from './checkOptions.ts';
import type { Model } from './model.ts';
import { quantile } from './statistics.ts';

export interface MeasureSpeedOptions {
  /** Prompt length in tokens. Default 256. */
  readonly prefill?: number;
  /** Number of tokens to generate after the prompt, greedily. Default 48. */
  readonly decode?: number;
  /** Number of runs; the result is their median. Default 3. */
  readonly runs?: number;
  /** Seed of the random prompt. Default 1. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

export interface Speed extends ProgramDescription {
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  /** Bytes of weights read per second of decoding. Memory bandwidth limits it. */
  readonly weightBytesPerSecond: number;
  /** Peak memory of the process, or null if the platform does not report it. */
  readonly peakMemoryBytes: number | null;
}

interface Run {
  readonly prefill: number;
  readonly decode: number;
}

/** @throws {OptionError} @throws {ContextError} if prefill + decode exceed the context @throws the signal's reason */
export async function measureSpeed(model: Model, options: MeasureSpeedOptions = {}): Promise<Speed> {
  const positive = wholeNumber(1);
  checkOptions(options, {
    prefill: positive,
    decode: positive,
    runs: positive,
    seed: wholeNumber(0),
    signal: abortSignal,
  });
  const { prefill = 256, decode = 48, runs = 3, seed = 1, signal } = options;
  if (prefill + decode > model.context) {
    const message = `${prefill} + ${decode} tokens are more than the context of ${model.context}`;
    throw new ContextError(message, prefill + decode, model.context);
  }
  const random = seededRandom(seed);
  // warm-up: engines recompile hot code during the first run
  await measure(model, prefill, decode, random, signal);
  const measured: Run[] = [];
  for (let run = 0; run < runs; run++) measured.push(await measure(model, prefill, decode, random, signal));
  const decodeTokensPerSecond = quantile(
    measured.map((run) => run.decode),
    0.5,
  );
  return {
    prefillTokensPerSecond: quantile(
      measured.map((run) => run.prefill),
      0.5,
    ),
    decodeTokensPerSecond,
    weightBytesPerSecond: decodeTokensPerSecond * model.weightBytesPerToken,
    peakMemoryBytes: peakMemoryBytes() ?? null,
    ...model.backend,
  };
}

const GREEDY: ChoiceRule = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  recent: [],
  uniform: 0,
};

/** One run. Returns tokens per second. */
async function measure(
  model: Model,
  prefill: number,
  decode: number,
  random: Random,
  signal?: AbortSignal,
): Promise<Run> {
  const token = () => random.integer(model.summary.vocabulary);
  const sequence = model.sequence();
  try {
    const prompt = Array.from({ length: prefill }, token);
    const started = performance.now();
    let next = await sequence.choose(prompt, GREEDY, { signal });
    const prefilled = performance.now();
    for (let i = 0; i < decode; i++) next = await sequence.choose([next], GREEDY, { signal });
    const decoded = performance.now();
    return { prefill: (1000 * prefill) / (prefilled - started), decode: (1000 * decode) / (decoded - prefilled) };
  } finally {
    sequence.free();
  }
}
