/**
 * Goldens of model families: test/goldens/families.golden.gz has a tiny model of every architecture and every model type of
 * Hugging Face folders, without weights, and log-probabilities that llama.cpp or transformers computed with it.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Skeleton } from './skeleton.ts';

const FILE = new URL('../../test/goldens/families.golden.gz', import.meta.url);

/** Distance between the two best logits below which rounding may swap them. */
const CLOSE = 0.01;
/** Tokens whose log-probabilities are kept at a position. */
const KEPT = 6;

export interface FamilyGolden {
  readonly skeleton: Skeleton;
  readonly tokens: readonly number[];
  /** Most likely next token by position; −1 if the second is as likely. */
  readonly best: readonly number[];
  /** Log-probabilities of {@link keptTokens} at some positions. */
  readonly kept: readonly { readonly position: number; readonly logProbabilities: readonly number[] }[];
}

interface Goldens {
  /** Versions of the engines that computed the results. */
  readonly oracles: string;
  readonly families: readonly FamilyGolden[];
}

/** @param logits by position, of the oracle */
export function familyGolden(
  skeleton: Skeleton,
  tokens: readonly number[],
  logits: readonly Float32Array[],
): FamilyGolden {
  const positions = [...tokens.keys()].filter((position) => position % 5 === 4 || position === tokens.length - 1);
  return {
    skeleton,
    tokens,
    best: logits.map((row) => {
      const [first, second] = row.toSorted().slice(-2).reverse() as unknown as [number, number];
      return first - second < CLOSE ? -1 : row.indexOf(first);
    }),
    kept: positions.map((position) => {
      const row = logSoftmax(logits[position]);
      const logProbabilities = keptTokens(position, row.length).map((token) => Number(row[token].toFixed(5)));
      return { position, logProbabilities };
    }),
  };
}

/** Tokens whose log-probabilities a golden has. */
export function keptTokens(position: number, vocabulary: number): number[] {
  return Array.from({ length: KEPT }, (_, i) => (position * 31 + i * 23) % vocabulary);
}

/** Largest difference of the log-probabilities, and the number of positions with another most likely token. */
export function differences(golden: FamilyGolden, logits: readonly Float32Array[]) {
  let largest = 0;
  for (const { position, logProbabilities } of golden.kept) {
    const row = logSoftmax(logits[position]);
    const tokens = keptTokens(position, row.length);
    // NaN counts as a difference
    tokens.forEach((token, i) => {
      const difference = Math.abs(row[token] - logProbabilities[i]);
      largest = Math.max(largest, difference);
    });
  }
  const others = golden.best.filter((best, at) => best >= 0 && logits[at].indexOf(Math.max(...logits[at])) !== best);
  return { largest, otherBest: others.length };
}

function logSoftmax(row: Float32Array): Float64Array {
  const most = Math.max(...row);
  const log = Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0)) + most;
  return Float64Array.from(row, (x) => x - log);
}

export async function readFamilyGoldens(): Promise<Goldens> {
  return JSON.parse(gunzipSync(await readFile(FILE)).toString());
}

export async function writeFamilyGoldens(goldens: Goldens): Promise<void> {
  await writeFile(FILE, gzipSync(JSON.stringify(goldens), { level: 9 }));
}
