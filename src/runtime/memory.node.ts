/** How much memory a process may still take. Bytes. */
import { freemem } from 'node:os';

/** What is free on the machine or, where a limit is set on the process's group, within it. */
export function freeMemoryBytes(): number {
  // experimental in Node 20, and the only one that knows of containers
  return typeof process.availableMemory === 'function' ? Math.min(freemem(), process.availableMemory()) : freemem();
}

/** The most that this process has had in memory at once; undefined where nobody knows. */
export function peakMemoryBytes(): number | undefined {
  return process.resourceUsage().maxRSS * 1024;
}
