/** Evaluates weights on the held-out texts of a dataset. */
import type { Dataset } from './data/dataset.ts';
import type { Learner } from './learner.ts';

export interface HeldOutLoss {
  /** Mean of the texts' losses by weight, in nats per token. */
  readonly loss: number;
  readonly texts: readonly { readonly name: string; readonly loss: number; readonly tokens: number }[];
}

/** @throws the signal's reason between two batches */
export async function heldOutLoss(
  learner: Learner,
  heldOut: Dataset['heldOut'],
  signal?: AbortSignal,
): Promise<HeldOutLoss> {
  const texts: { name: string; loss: number; tokens: number }[] = [];
  let sum = 0;
  let weights = 0;
  for (const { name, weight, batches } of heldOut) {
    let loss = 0;
    let tokens = 0;
    for (let i = 0; i < batches.count; i++) {
      signal?.throwIfAborted();
      const batch = await batches.at(i);
      loss += await learner.textLoss(batch);
      tokens += batch.learned;
    }
    texts.push({ name, loss: loss / tokens, tokens });
    sum += weight * (loss / tokens);
    weights += weight;
  }
  return { loss: sum / weights, texts };
}
