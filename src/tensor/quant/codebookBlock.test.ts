import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../core/random.ts';
import type { BlockFormat } from '../blockFormat.ts';
import { blockFormats } from '../formats.ts';

const BLOCKS = 4;
const random = seededRandom(11);
const normal = (): Float32Array => Float32Array.from({ length: 256 * BLOCKS }, () => 0.02 * random.normal());

function encode(format: BlockFormat, x: Float32Array, importance?: Float32Array): Uint8Array {
  const bytes = new Uint8Array((x.length / 256) * format.blockBytes);
  format.encode(x, 0, bytes, 0, x.length / 256, importance);
  return bytes;
}

function decode(format: BlockFormat, bytes: Uint8Array): Float32Array {
  const x = new Float32Array((bytes.length / format.blockBytes) * 256);
  format.decode(bytes, 0, x, 0, x.length / 256);
  return x;
}

/** Greatest error of normal data, relative to its squares. */
const errors: Readonly<Record<string, number>> = {
  IQ3_S: 0.02,
  IQ3_XXS: 0.035,
  IQ2_S: 0.07,
  IQ2_XS: 0.09,
  IQ2_XXS: 0.12,
  IQ1_M: 0.19,
  IQ1_S: 0.24,
};

describe.each(blockFormats.filter(({ codebook }) => codebook))('$name', (format) => {
  it('has the expected error on normal data', () => {
    const x = normal();
    const y = decode(format, encode(format, x));
    const [error, squares] = x.reduce(([e, s], value, i) => [e + (value - y[i]) ** 2, s + value ** 2], [0, 0]);
    expect(error / squares).toBeLessThan(errors[format.name]);
  });

  it('keeps what it can represent', () => {
    const once = decode(format, encode(format, normal()));
    const twice = decode(format, encode(format, once));
    const [error, squares] = once.reduce(([e, s], value, i) => [e + (value - twice[i]) ** 2, s + value ** 2], [0, 0]);
    expect(error / squares).toBeLessThan(errors[format.name] / 4);
  });

  it('keeps zeros, and is finite without weights', () => {
    const zeros = new Float32Array(256 * BLOCKS);
    expect(decode(format, encode(format, zeros)).every((value) => value === 0)).toBe(true);
    expect(decode(format, encode(format, normal(), zeros)).every(Number.isFinite)).toBe(true);
  });

  it('does not let a bad element into other blocks', () => {
    for (const bad of [1e38, Number.NaN, Number.POSITIVE_INFINITY]) {
      const x = normal();
      const expected = encode(format, x);
      x[3] = bad;
      expect(encode(format, x).subarray(format.blockBytes)).toEqual(expected.subarray(format.blockBytes));
    }
  });
});
