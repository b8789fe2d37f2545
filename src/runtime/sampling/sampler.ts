/**
 * Chooses the next token: repetition penalty → top k → top p → min p → temperature → draw, in llama.cpp's order.
 * At temperature 0 the likeliest token is taken and the rest of the chain left out.
 */
import { seededRandom } from '../../core/random.ts';
import { greedy, noFiniteLogit } from './greedy.ts';
import { minP } from './minP.ts';
import { PENALTY_WINDOW, penalizeRepetition } from './repetitionPenalty.ts';
import { drawAt, drawFromAll } from './temperature.ts';
import { topK } from './topK.ts';
import { topP, topPOfAll } from './topP.ts';

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
  /** Of the draws; default: a new one each time, told in the result. */
  readonly seed?: number;
}

export interface Sampler {
  readonly seed: number;
  /** @param logits [V], may be changed in place @param past the tokens before, the latest last */
  pick(logits: Float32Array, past: readonly number[]): number;
}

/** @param options checked already */
export function createSampler(options: SamplingOptions): Sampler {
  const { temperature = 0, topK: k = 40, topP: p = 0.95, minP: least = 0.05, repetitionPenalty = 1 } = options;
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  const random = seededRandom(seed);
  return {
    seed,
    pick(logits, past) {
      if (repetitionPenalty !== 1) penalizeRepetition(logits, past.slice(-PENALTY_WINDOW), repetitionPenalty);
      if (temperature === 0) return greedy(logits);
      if (k === 0 && p === 1 && least === 0) {
        const id = drawFromAll(logits, temperature, random.uniform());
        if (id === undefined) throw noFiniteLogit();
        return id;
      }
      const nucleus = k > 0 ? topP(topK(logits, k), p) : topPOfAll(logits, p);
      if (nucleus.length === 0) throw noFiniteLogit();
      return drawAt(minP(nucleus, least), temperature, random.uniform());
    },
  };
}
