/** Random numbers that depend on where they are drawn and not on what was drawn before, so that a run can go on anywhere. */
import { type Random, seededRandom } from '../../core/random.ts';

/** A generator for one place, such as (seed, source, step). Whole numbers, at most 2^53. */
export function randomAt(...place: readonly number[]): Random {
  let hash = place.length;
  for (const number of place) {
    hash = mixed(hash ^ mixed(number | 0));
    hash = mixed(hash ^ mixed(Math.floor(number / 2 ** 32) | 0) ^ 0x5bd1e995);
  }
  return seededRandom(hash);
}

/** The numbers 0 … count − 1 in random order, by Fisher and Yates. */
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

/** MurmurHash3's finalizer (Appleby): every bit of the input moves half of the output's. */
function mixed(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
