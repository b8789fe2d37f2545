/** Random numbers by position: they depend on the seed and the position, not on earlier calls, so that a run can resume anywhere. */
import { type Random, seededRandom } from '../../core/random.ts';

/** Returns a generator for one position, e.g. (seed, source, step). Integers up to 2^53. */
export function randomAt(...position: readonly number[]): Random {
  let hash = position.length;
  for (const number of position) {
    hash = mixed(hash ^ mixed(number | 0));
    hash = mixed(hash ^ mixed(Math.floor(number / 2 ** 32) | 0) ^ 0x5bd1e995);
  }
  return seededRandom(hash);
}

/** Returns 0 … count − 1 in random order (Fisher–Yates shuffle). */
export function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let last = count - 1; last > 0; last--) {
    const other = random.integer(last + 1);
    const value = order[last];
    order[last] = order[other];
    order[other] = value;
  }
  return order;
}

/** MurmurHash3's finalizer (Appleby): each input bit flips half of the output bits on average. */
function mixed(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
