/** Runs a parser on many corrupted files and checks its guarantees. */
import { getHeapStatistics } from 'node:v8';
import { expect } from 'vitest';
import { EspalierError } from '../../src/core/errors.ts';
import { type Random, seededRandom } from '../../src/core/random.ts';

export interface Fuzzing<T> {
  /** Returns the n-th corrupted file. */
  readonly draw: (random: Random, index: number) => T;
  /** Size of a file in bytes, the basis of the memory limit. */
  readonly sizeOf: (file: T) => number;
  readonly parse: (file: T) => unknown;
  /** Bytes that the parser may use in addition to the limit: errors, closures, tables. */
  readonly slack: number;
  /** Number of corrupted files. Default: 20,000. */
  readonly files?: number;
}

const FILES = 20_000;
const MOST_MILLISECONDS = 2000;
const MOST_MEMORY = 4;

/**
 * Parses all files. Each must parse or throw an EspalierError within 2 s of processor time and, plus a fixed slack,
 * 4 times its size of memory. @returns the number of files that parsed
 */
export async function fuzz<T>(
  seed: number,
  { draw, sizeOf, parse, slack, files = FILES }: Fuzzing<T>,
): Promise<number> {
  let parsed = 0;
  for (let index = 0; index < files; index++) {
    // each file has its own seed, so that it can be reproduced alone
    const file = draw(seededRandom(seed + index), index);
    const time = process.cpuUsage();
    const memory = allocated();
    try {
      await parse(file);
      parsed++;
    } catch (error) {
      if (!(error instanceof EspalierError)) throw new Error(`file ${index} of seed ${seed}`, { cause: error });
    }
    const { user, system } = process.cpuUsage(time);
    const grown = allocated() - memory;
    if ((user + system) / 1000 > MOST_MILLISECONDS) expect.fail(`file ${index} took ${(user + system) / 1e6} s`);
    const most = MOST_MEMORY * sizeOf(file) + slack;
    if (grown > most)
      expect.fail(`file ${index} of ${sizeOf(file)} bytes took ${grown} bytes of memory, at most ${most}`);
  }
  return parsed;
}

/** Bytes allocated and not yet collected, including garbage of the parser. */
function allocated(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}
