/** Whether a model fits into memory, from what its backend says that it needs. */
import { freeMemoryBytes } from '#leaf/runtime/memory';
import type { MemoryNeeds } from '../graph/program.ts';

/** Bytes. */
export interface MemoryEstimate {
  readonly weightBytes: number;
  /** Keys and values of one session that fills its context; each further session takes as much again. */
  readonly cacheBytes: number;
  /** Values between the ops of the longest step, and the program itself. */
  readonly activationBytes: number;
  readonly totalBytes: number;
  /** Free memory, or less if the backend cannot address as much. */
  readonly availableBytes: number;
  readonly fits: boolean;
}

export function estimateMemory({ weightBytes, cacheBytes, activationBytes, limitBytes }: MemoryNeeds): MemoryEstimate {
  const totalBytes = weightBytes + cacheBytes + activationBytes;
  const availableBytes = Math.min(freeMemoryBytes(), limitBytes);
  const fits = totalBytes <= availableBytes;
  return { weightBytes, cacheBytes, activationBytes, totalBytes, availableBytes, fits };
}
