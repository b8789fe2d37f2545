/** Memory that the process may still use, in bytes. */
import { freemem } from 'node:os';

/** Free memory of the machine, or of the container if it has a limit. Infinity if it is unknown. */
export function freeMemoryBytes(): number {
  try {
    // experimental in Node 20, but the only function that respects containers
    return typeof process.availableMemory === 'function' ? Math.min(freemem(), process.availableMemory()) : freemem();
  } catch {
    return Number.POSITIVE_INFINITY; // Deno without --allow-sys
  }
}

/** Peak memory of this process. Undefined if it is unknown. */
export function peakMemoryBytes(): number | undefined {
  try {
    return process.resourceUsage().maxRSS * 1024;
  } catch {
    return undefined;
  }
}
