/** The result of a client's training, and its encoding for a visible round. */
import type { RoundConfig } from '../round/roundConfig.ts';
import { clippedLoss } from '../round/trainingLoss.ts';
import { withLoss } from './compression.ts';

export interface TrainedUpdate {
  /** [parameters] new weights minus old weights. */
  readonly update: Float32Array;
  /** Mean training loss, in nats per token. Reported in rounds that have a `maximumLoss`. */
  readonly loss?: number;
}

/** @param found as trainers may return it */
export function trainedUpdate(found: Float32Array | TrainedUpdate): TrainedUpdate {
  return found instanceof Float32Array ? { update: found } : found;
}

/** The body of a visible update. @param encoded the update's bytes @param loss is added if the round takes it */
export function visibleBody(encoded: Uint8Array, loss: number | undefined, config: RoundConfig): Uint8Array {
  const isTaken = config.maximumLoss !== undefined && loss !== undefined;
  return isTaken ? withLoss(encoded, clippedLoss(loss, config)) : encoded;
}
