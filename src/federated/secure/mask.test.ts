import { chacha20 } from '@noble/ciphers/chacha.js';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../core/random.ts';
import { bytesToHex, hexToBytes } from '../encoding.ts';
import { addMasks, type Mask } from './mask.ts';

const random = seededRandom(3);
const randomSeed = () => Uint8Array.from({ length: 32 }, () => random.integer(256));

/** The keystream of a seed as integers, by noble. */
function expectedMask(seed: Uint8Array, length: number): Int32Array {
  return new Int32Array(chacha20(seed, new Uint8Array(12), new Uint8Array(4 * length)).buffer);
}

function expectedSum(vector: Int32Array, masks: readonly Mask[]): Int32Array {
  const sum = vector.slice();
  for (const { seed, sign } of masks) {
    const mask = expectedMask(seed, sum.length);
    for (let i = 0; i < sum.length; i++) sum[i] += sign * mask[i];
  }
  return sum;
}

describe('masks', () => {
  // RFC 8439, appendix A.1, vectors 1 to 4: key, block, first bytes of the block
  it.each([
    ['00'.repeat(32), 0, '76b8e0ada0f13d90405d6ae55386bd28'],
    ['00'.repeat(32), 1, '9f07e7be5551387a98ba977c732d080d'],
    [`${'00'.repeat(31)}01`, 1, '3aeb5224ecf849929b9d828db1ced4dd'],
    [`00ff${'00'.repeat(30)}`, 2, '72d54dfbf12ec44b362692df94137f32'],
  ])('are the keystream of RFC 8439: key %s, block %i', async (key, block, bytes) => {
    const vector = new Int32Array(48);
    await addMasks(vector, [{ seed: hexToBytes(key), sign: 1 }]);
    expect(bytesToHex(new Uint8Array(vector.buffer, 64 * block, 16))).toBe(bytes);
  });

  it.each([1, 15, 16, 17, 63, 64, 65, 16_384, 16_385, 40_000])(
    'are added to %i integers as noble computes them',
    async (length) => {
      const vector = Int32Array.from({ length }, () => random.integer(2 ** 32) - 2 ** 31);
      const masks: Mask[] = [1, -1, 1].map((sign) => ({ seed: randomSeed(), sign: sign as 1 | -1 }));
      const expected = expectedSum(vector, masks);
      await addMasks(vector, masks);
      expect(Buffer.compare(Buffer.from(vector.buffer), Buffer.from(expected.buffer))).toBe(0);
    },
  );

  it('are the same on many threads', async () => {
    const masks: Mask[] = Array.from({ length: 170 }, (_, i) => ({ seed: randomSeed(), sign: i % 3 ? 1 : -1 }));
    const vector = Int32Array.from({ length: 100_003 }, (_, i) => i);
    const expected = expectedSum(vector, masks);
    await addMasks(vector, masks);
    expect(Buffer.compare(Buffer.from(vector.buffer), Buffer.from(expected.buffer))).toBe(0);
  });
});
