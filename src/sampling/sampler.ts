/** Samples tokens with the options and the seed of a generation. */
import { seededRandom } from '../core/random.ts';
import { type ChoiceRule, chooseToken } from './chooseToken.ts';
import { PENALTY_WINDOW } from './repetitionPenalty.ts';

export interface SamplingOptions {
  /** Sampling temperature. 0: always the most likely token. Default 0. */
  readonly temperature?: number;
  /** Sample from the k most likely tokens. 0: all. Default 40. */
  readonly topK?: number;
  /** Sample from the most likely tokens with this total probability. 1: all. Default 0.95. */
  readonly topP?: number;
  /** Drop tokens below this fraction of the highest probability. 0: none. Default 0.05. */
  readonly minP?: number;
  /** Divisor of the logits of the last 64 tokens. 1: no penalty. Default 1. */
  readonly repetitionPenalty?: number;
  /** Seed of the sampler. Default: random; the result reports it. */
  readonly seed?: number;
}

export interface Sampler {
  readonly seed: number;
  /** Returns the rule for the next token, with a new random number. @param past returns the previous tokens in order */
  next(past: () => readonly number[]): ChoiceRule;
  /** Lets the next rules have the random numbers of these, whose choices were discarded. @param rules the last ones, in order */
  putBack(rules: readonly ChoiceRule[]): void;
  /** Chooses a token. @param logits [V], may be changed in place */
  pick(logits: Float32Array, past: readonly number[]): number;
}

const NONE: readonly number[] = [];

/** @param options must be valid */
export function createSampler(options: SamplingOptions): Sampler {
  const { temperature = 0, topK = 40, topP = 0.95, minP = 0.05, repetitionPenalty = 1 } = options;
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  const random = seededRandom(seed);
  let unused: number[] = [];
  const next = (past: () => readonly number[]): ChoiceRule => ({
    temperature,
    topK,
    topP,
    minP,
    repetitionPenalty,
    recent: repetitionPenalty === 1 ? NONE : past().slice(-PENALTY_WINDOW),
    uniform: temperature === 0 ? 0 : (unused.shift() ?? random.uniform()),
  });
  return {
    seed,
    next,
    putBack(rules) {
      if (temperature !== 0) unused = [...rules.map(({ uniform }) => uniform), ...unused];
    },
    pick: (logits, past) =>
      chooseToken(
        logits,
        next(() => past),
      ),
  };
}
