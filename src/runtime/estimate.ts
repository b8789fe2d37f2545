/** Estimates whether a model fits into memory, from the needs that its backend reports. */
import { freeMemoryBytes } from '#leaf/runtime/memory';
import type { MemoryNeeds } from '../graph/program.ts';
import { pagesFor } from './cache/stateRoom.ts';

/** All sizes are in bytes. */
export interface MemoryEstimate {
  readonly weightBytes: number;
  /** Embeddings that stay in the file, see `LoadOptions.embeddings`. */
  readonly storedBytes: number;
  /** Keys, values and recurrent states of one session that fills its context; sessions take memory as they grow. */
  readonly cacheBytes: number;
  /** Intermediate values of the longest step, and the program itself. */
  readonly activationBytes: number;
  readonly totalBytes: number;
  /** Free memory, or less if the backend cannot address as much. */
  readonly availableBytes: number;
  readonly fits: boolean;
}

/** @param context positions of a session @param storedBytes size of the tables that stay in the file */
export function estimateMemory(needs: MemoryNeeds, context: number, storedBytes: number): MemoryEstimate {
  const { weightBytes, pageBytes, activationBytes, limitBytes } = needs;
  const cacheBytes = pagesFor(context, needs) * Math.max(1, pageBytes);
  const totalBytes = weightBytes + cacheBytes + activationBytes;
  const availableBytes = Math.min(freeMemoryBytes(), limitBytes);
  const fits = totalBytes <= availableBytes;
  return { weightBytes, storedBytes, cacheBytes, activationBytes, totalBytes, availableBytes, fits };
}
