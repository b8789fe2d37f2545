/** Mixes sources by weight. Which source a sequence comes from is a pure function of the seed and the sequence's index. */
import { randomAt, shuffled } from './randomAt.ts';

export interface MixtureEntry {
  /** Index of the source. */
  readonly source: number;
  /** Index of the sequence within its source. */
  readonly index: number;
}

/** Sequences per block. Each block contains every source in proportion to its weight, with a resolution of 1/1024. */
const BLOCK = 1024;

/** Returns a function from the index of a sequence to its source. Each block has the same counts in a different random order. */
export function mixture(weights: readonly number[], seed: number): (sequence: number) => MixtureEntry {
  const shares = sharesOf(weights);
  let block = -1;
  /** Source of each sequence in the current block, and its rank among the sequences of that source. */
  const sources = new Uint32Array(BLOCK);
  const ranks = new Uint32Array(BLOCK);
  return (sequence) => {
    const needed = Math.floor(sequence / BLOCK);
    if (needed !== block) {
      const order = shuffled(BLOCK, randomAt(seed, needed));
      const seen = shares.map(() => 0);
      const sourceOf = shares.flatMap((share, source) => new Array<number>(share).fill(source));
      for (let i = 0; i < BLOCK; i++) {
        sources[i] = sourceOf[order[i]];
        ranks[i] = seen[sources[i]]++;
      }
      block = needed;
    }
    const source = sources[sequence % BLOCK];
    return { source, index: needed * shares[source] + ranks[sequence % BLOCK] };
  };
}

/** Number of sequences per block for each source: at least one, largest remainders rounded up (Hamilton's method). */
function sharesOf(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const exact = weights.map((weight) => (weight / sum) * BLOCK);
  const shares = exact.map((share) => Math.max(1, Math.floor(share)));
  const byRemainder = weights.map((_, i) => i).sort((a, b) => exact[b] - shares[b] - (exact[a] - shares[a]) || a - b);
  let left = BLOCK - shares.reduce((total, share) => total + share, 0);
  for (let i = 0; left > 0; i++, left--) shares[byRemainder[i % byRemainder.length]]++;
  // sources raised to one take it from the largest
  for (; left < 0; left++) shares[shares.indexOf(Math.max(...shares))]--;
  return shares;
}
