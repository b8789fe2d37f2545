/**
 * Chooses the next token from its logits: repetition penalty → top k → top p → min p → temperature → sampling, in
 * llama.cpp's order. At temperature 0 it is the most likely token. A pure function, so that a backend can run it.
 */
import { greedy, noFiniteLogit } from './greedy.ts';
import { minP } from './minP.ts';
import { penalizeRepetition } from './repetitionPenalty.ts';
import { sampleCandidates, sampleLogits } from './temperature.ts';
import { topK } from './topK.ts';
import { topP, topPOfAll } from './topP.ts';

export interface ChoiceRule {
  /** Sampling temperature. 0: the most likely token. */
  readonly temperature: number;
  /** Sample from the k most likely tokens. 0: all. */
  readonly topK: number;
  /** Sample from the most likely tokens with this total probability. 1: all. */
  readonly topP: number;
  /** Drop tokens below this fraction of the highest probability. 0: none. */
  readonly minP: number;
  /** Divisor of the logits of `recent` tokens. 1: no penalty. */
  readonly repetitionPenalty: number;
  readonly recent: readonly number[];
  /** Random number in [0, 1) that selects the token. */
  readonly uniform: number;
}

/** @param logits [V], changed in place by a repetition penalty @throws {EspalierError} BAD_NUMBERS if no logit is finite */
export function chooseToken(logits: Float32Array, rule: ChoiceRule): number {
  const { temperature, topK: k, topP: p, minP: least, repetitionPenalty, recent, uniform } = rule;
  if (repetitionPenalty !== 1) penalizeRepetition(logits, recent, repetitionPenalty);
  if (temperature === 0) return greedy(logits);
  if (k === 0 && p === 1 && least === 0) {
    const id = sampleLogits(logits, temperature, uniform);
    if (id === undefined) throw noFiniteLogit();
    return id;
  }
  const nucleus = k > 0 ? topP(topK(logits, k), p) : topPOfAll(logits, p);
  if (nucleus.length === 0) throw noFiniteLogit();
  return sampleCandidates(minP(nucleus, least), temperature, uniform);
}
