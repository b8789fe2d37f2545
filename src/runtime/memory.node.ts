/** How much memory a process may still take. Bytes. */
import { freemem } from 'node:os';

/** What is free on the machine or, where a limit is set on the process's group, within it; Infinity if it is not told. */
export function freeMemoryBytes(): number {
  try {
    // experimental in Node 20, and the only one that knows of containers
    return typeof process.availableMemory === 'function' ? Math.min(freemem(), process.availableMemory()) : freemem();
  } catch {
    return Number.POSITIVE_INFINITY; // Deno without --allow-sys
  }
}

/** The most memory that this process has had at once; undefined where that is not told. */
export function peakMemoryBytes(): number | undefined {
  try {
    return process.resourceUsage().maxRSS * 1024;
  } catch {
    return undefined;
  }
}
