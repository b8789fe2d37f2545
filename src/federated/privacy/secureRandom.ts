/** Uniform random numbers from the platform's cryptographic generator, read in blocks. */
import type { Random } from '../../core/random.ts';

export type Uniform = Pick<Random, 'uniform'>;

const BLOCK = 1 << 14;

/** @returns uniform numbers in [0, 1) with a resolution of 2⁻⁵³ */
export function secureRandom(): Uniform {
  const words = new Uint32Array(BLOCK);
  let at = BLOCK;
  return {
    uniform() {
      if (at >= BLOCK) {
        crypto.getRandomValues(words);
        at = 0;
      }
      const high = words[at++] >>> 5;
      const low = words[at++] >>> 6;
      return (high * 2 ** 26 + low) / 2 ** 53;
    },
  };
}
