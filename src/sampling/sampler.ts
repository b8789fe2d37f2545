/** Makes the rule of each draw from a generation's options and its seed. */
import { seededRandom } from '../core/random.ts';
import { type ChoiceRule, chooseToken } from './chooseToken.ts';
import { PENALTY_WINDOW } from './repetitionPenalty.ts';

export interface SamplingOptions {
  /** 0: always the likeliest token. Default 0. */
  readonly temperature?: number;
  /** Only the k likeliest tokens; 0: all. Default 40. */
  readonly topK?: number;
  /** Only the likeliest tokens that hold this share of the probability; 1: all. Default 0.95. */
  readonly topP?: number;
  /** Only tokens at least this share as likely as the likeliest; 0: all. Default 0.05. */
  readonly minP?: number;
  /** Divides the logits of the last 64 tokens; 1: does not. Default 1. */
  readonly repetitionPenalty?: number;
  /** Seed of the sampler. Default: random; the result reports it. */
  readonly seed?: number;
}

export interface Sampler {
  readonly seed: number;
  /** The rule of the next choice, with a random number of its own. @param past returns the tokens before, the latest last */
  next(past: () => readonly number[]): ChoiceRule;
  /** Chooses at once. @param logits [V], may be changed in place */
  pick(logits: Float32Array, past: readonly number[]): number;
}

const NOTHING: readonly number[] = [];

/** @param options checked already */
export function createSampler(options: SamplingOptions): Sampler {
  const { temperature = 0, topK = 40, topP = 0.95, minP = 0.05, repetitionPenalty = 1 } = options;
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  const random = seededRandom(seed);
  const next = (past: () => readonly number[]): ChoiceRule => ({
    temperature,
    topK,
    topP,
    minP,
    repetitionPenalty,
    recent: repetitionPenalty === 1 ? NOTHING : past().slice(-PENALTY_WINDOW),
    uniform: temperature === 0 ? 0 : random.uniform(),
  });
  return {
    seed,
    next,
    pick: (logits, past) =>
      chooseToken(
        logits,
        next(() => past),
      ),
  };
}
