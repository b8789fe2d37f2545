/**
 * Chooses the next token from its logits: repetition penalty → top k → top p → min p → temperature → draw, in llama.cpp's
 * order. At temperature 0 it is the likeliest token. A pure function, so that it can run where the logits are.
 */
import { greedy, noFiniteLogit } from './greedy.ts';
import { minP } from './minP.ts';
import { penalizeRepetition } from './repetitionPenalty.ts';
import { drawAt, drawFromAll } from './temperature.ts';
import { topK } from './topK.ts';
import { topP, topPOfAll } from './topP.ts';

export interface ChoiceRule {
  /** 0: the likeliest token. */
  readonly temperature: number;
  /** Only the k likeliest tokens; 0: all. */
  readonly topK: number;
  /** Only the likeliest tokens that hold this share of the probability; 1: all. */
  readonly topP: number;
  /** Only tokens at least this share as likely as the likeliest; 0: all. */
  readonly minP: number;
  /** Divides the logits of `recent` tokens; 1: does not. */
  readonly repetitionPenalty: number;
  readonly recent: readonly number[];
  /** Random number in [0, 1) that decides the draw. */
  readonly uniform: number;
}

/** @param logits [V], changed in place by a repetition penalty @throws {EspalierError} BAD_NUMBERS if none is finite */
export function chooseToken(logits: Float32Array, rule: ChoiceRule): number {
  const { temperature, topK: k, topP: p, minP: least, repetitionPenalty, recent, uniform } = rule;
  if (repetitionPenalty !== 1) penalizeRepetition(logits, recent, repetitionPenalty);
  if (temperature === 0) return greedy(logits);
  if (k === 0 && p === 1 && least === 0) {
    const id = drawFromAll(logits, temperature, uniform);
    if (id === undefined) throw noFiniteLogit();
    return id;
  }
  const nucleus = k > 0 ? topP(topK(logits, k), p) : topPOfAll(logits, p);
  if (nucleus.length === 0) throw noFiniteLogit();
  return drawAt(minP(nucleus, least), temperature, uniform);
}
