/** Runs a parser over many spoiled files and holds it to its promises. */
import { getHeapStatistics } from 'node:v8';
import { expect } from 'vitest';
import { EspalierError } from '../../src/core/errors.ts';
import { type Random, seededRandom } from '../../src/core/random.ts';

export interface Fuzzing<T> {
  /** The n-th spoiled file. */
  readonly draw: (random: Random, index: number) => T;
  /** Its bytes, which memory is measured against. */
  readonly sizeOf: (file: T) => number;
  readonly parse: (file: T) => unknown;
  /** Bytes that the parser may take whatever the size of its file: errors, closures, tables. */
  readonly slack: number;
}

const FILES = 20_000;
const MOST_MILLISECONDS = 2000;
const MOST_MEMORY = 4;

/**
 * 20,000 files: each is parsed or refused by an EspalierError, within 2 s of processor time and, beside a fixed slack,
 * 4 times its own size of memory. @returns how many were parsed
 */
export async function fuzz<T>(seed: number, { draw, sizeOf, parse, slack }: Fuzzing<T>): Promise<number> {
  let parsed = 0;
  for (let index = 0; index < FILES; index++) {
    // each file has a seed of its own, so that it can be drawn again alone
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

/** Bytes allocated and not yet collected: what a parser leaves behind as well as what it holds. */
function allocated(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}
