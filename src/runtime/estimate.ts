/** Estimates whether a model fits into memory, from the needs that its backend reports. */
import { freeMemoryBytes } from '#leaf/runtime/memory';
import type { MemoryNeeds } from '../graph/program.ts';

/** All sizes are in bytes. */
export interface MemoryEstimate {
  readonly weightBytes: number;
  /** KV cache of one session. Each further session needs the same amount. */
  readonly cacheBytes: number;
  /** Intermediate values of the longest step, and the program itself. */
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
