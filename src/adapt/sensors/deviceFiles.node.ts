/** Files of the device: /sys and /proc below a root folder. */
import { readdir, readFile } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import type { FileTree } from './fileTree.ts';

/** Pseudo files are small; a larger one is not what it seems. */
const MAX_CHARACTERS = 2 ** 20;

/** @param root '/' by default; a recorded tree in tests */
export function deviceFiles(root = '/'): FileTree {
  return {
    async text(path) {
      try {
        return (await readFile(join(root, path), 'utf8')).slice(0, MAX_CHARACTERS);
      } catch {
        return undefined;
      }
    },
    async list(path) {
      try {
        return (await readdir(join(root, path))).sort();
      } catch {
        return [];
      }
    },
  };
}

/** Facts of the machine that the runtime knows without files. */
export function hostFacts() {
  return {
    platform: `${os.platform()} ${os.release()} ${os.arch()}`,
    processors: os.cpus().length,
    model: os.cpus()[0]?.model.trim(),
    /** Windows always says 0. */
    loadAverage: os.platform() === 'win32' ? undefined : os.loadavg()[0],
    memory: os.totalmem(),
    freeMemory: os.freemem(),
  };
}
