/** Mixes sources by weight, so that where each stands follows from the number of the sequence alone. */
import { randomAt, shuffled } from './randomAt.ts';

export interface Draw {
  /** Which source. */
  readonly source: number;
  /** How many sequences came from it before. */
  readonly n: number;
}

/** Sequences in which the weights are met exactly, to a 1024th. */
const BLOCK = 1024;

/** The source of each sequence: every block of 1024 has its sources in the same number and a random order. */
export function mixture(weights: readonly number[], seed: number): (sequence: number) => Draw {
  const shares = sharesOf(weights);
  let block = -1;
  /** Of each sequence of the block: its source, and which of that source's it is. */
  const sources = new Uint32Array(BLOCK);
  const ranks = new Uint32Array(BLOCK);
  return (sequence) => {
    const wanted = Math.floor(sequence / BLOCK);
    if (wanted !== block) {
      const order = shuffled(BLOCK, randomAt(seed, wanted));
      const seen = shares.map(() => 0);
      const sourceOf = shares.flatMap((share, source) => new Array<number>(share).fill(source));
      for (let i = 0; i < BLOCK; i++) {
        sources[i] = sourceOf[order[i]];
        ranks[i] = seen[sources[i]]++;
      }
      block = wanted;
    }
    const source = sources[sequence % BLOCK];
    return { source, n: wanted * shares[source] + ranks[sequence % BLOCK] };
  };
}

/** Whole shares of a block, at least one each, the largest remainders rounded up (Hamilton's method). */
function sharesOf(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const exact = weights.map((weight) => (weight / sum) * BLOCK);
  const shares = exact.map((share) => Math.max(1, Math.floor(share)));
  const byRemainder = weights.map((_, i) => i).sort((a, b) => exact[b] - shares[b] - (exact[a] - shares[a]) || a - b);
  let left = BLOCK - shares.reduce((total, share) => total + share, 0);
  for (let i = 0; left > 0; i++, left--) shares[byRemainder[i % byRemainder.length]]++;
  // those that were raised to one took it from the largest
  for (; left < 0; left++) shares[shares.indexOf(Math.max(...shares))]--;
  return shares;
}
