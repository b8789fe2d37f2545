/** Greedy decoding: the most likely token; of equal ones the lowest id. */
import { EspalierError } from '../core/errors.ts';

/** @param logits [V] @throws {EspalierError} BAD_NUMBERS if every logit is NaN or −∞, which means that the weights are broken */
export function greedy(logits: Float32Array): number {
  const { length } = logits;
  let best = -1;
  let highest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < length; id++) {
    const logit = logits[id];
    if (logit > highest) {
      highest = logit;
      best = id;
    }
  }
  if (best < 0) throw noFiniteLogit();
  return best;
}

export function noFiniteLogit(): EspalierError {
  const message = 'the model computed no finite logit: its weights or its program are broken';
  return new EspalierError('BAD_NUMBERS', message);
}
