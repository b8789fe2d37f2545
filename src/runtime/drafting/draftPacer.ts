/** Paces a model that drafts for another one: its steps have the same threads and pauses, and count as work, but not as tokens. */
import type { Pacer } from '../pacer.ts';

/** @param pacer of the large model. It chooses the submodel of that model only, and is not disposed of with the draft model. */
export function draftPacer(pacer: Pacer): Pacer {
  return {
    wait: () => pacer.wait(),
    threads: (tokens) => pacer.threads(tokens),
    observe: (step) => pacer.observe({ ...step, isDecoding: false }),
    ...(pacer.clock && { clock: () => pacer.clock!() }),
  };
}
