/** A browser has no files of the device. */
import type { FileTree } from './fileTree.ts';

export function deviceFiles(_root?: string): FileTree {
  return { text: async () => undefined, list: async () => [] };
}

/** Facts of the machine that the runtime knows without sensors. */
export function hostFacts() {
  return {
    platform: navigator.userAgent,
    processors: navigator.hardwareConcurrency,
    model: undefined as string | undefined,
    loadAverage: undefined as number | undefined,
    memory: undefined as number | undefined,
    freeMemory: undefined as number | undefined,
  };
}
