import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnsupportedError } from '../core/errors.ts';
import { seededRandom } from '../core/random.ts';
import { type BlockFormat, bytesOf } from './blockFormat.ts';
import { blockFormats, formatByGgmlType, formatByName } from './formats.ts';
import { I8 } from './quant/i8.ts';

/** Results of ggml, made by ggml-blocks.py beside the file. */
const ggml = JSON.parse(readFileSync(new URL('../../test/goldens/ggml-blocks.json', import.meta.url), 'utf8')) as {
  types: Record<string, [name: string, blockSize: number, blockBytes: number]>;
  decoded: Record<string, { bytes: string; values: string }>;
  manyBlocks: Record<string, string>;
  encoded: Record<string, string>;
  squaredError: Record<string, number>;
  weightedSquaredError: Record<string, number>;
};

function bytesFrom(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, 'base64'));
}

/** ggml writes q4_K for our Q4_K. */
function formatOf(ggmlName: string): BlockFormat {
  return formatByName(ggmlName.toUpperCase());
}

function encode(format: BlockFormat, x: Float32Array, importance?: Float32Array): Uint8Array {
  const bytes = new Uint8Array(bytesOf(format, x.length));
  format.encode(x, 0, bytes, 0, x.length / format.blockSize, importance);
  return bytes;
}

function decode(format: BlockFormat, bytes: Uint8Array): Float32Array {
  const blocks = bytes.length / format.blockBytes;
  const x = new Float32Array(blocks * format.blockSize);
  format.decode(bytes, 0, x, 0, blocks);
  return x;
}

function roundTrip(format: BlockFormat, x: Float32Array, importance?: Float32Array): Float32Array {
  return decode(format, encode(format, x, importance));
}

const plusZero = (value: number) => value + 0;

/** Σ w (x - y)² */
function squaredError(x: Float32Array, y: Float32Array, weights?: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (weights?.[i] ?? 1) * (x[i] - y[i]) ** 2;
  return sum;
}

function relativeError(x: Float32Array, y: Float32Array): number {
  return Math.sqrt(squaredError(x, y) / squaredError(x, new Float32Array(x.length)));
}

/** Sums of four uniform 22-bit integers: exact in f32, mean 0. Same as in ggml-blocks.py. */
function noise(seed: number, count: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    let total = 0;
    for (let i = 0; i < 4; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      total += state >>> 10;
    }
    return (total - 2 ** 23) / 2 ** 22;
  });
}

/** Importance, the same for all rows. Same as in ggml-blocks.py. */
function importances(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => 2 ** ((((i % 1024) * 7) % 13) - 6));
}

/** 1,024 blocks of random bytes with the same d; ggml-blocks.py has the same. */
function manyBlocks({ name, blockBytes }: BlockFormat): Uint8Array {
  let state = 7;
  const bytes = Uint8Array.from({ length: 1024 * blockBytes }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  for (let block = 0; block < bytes.length; block += blockBytes) {
    if (name === 'IQ1_M') {
      for (const [i, nibble] of [0x5, 0x5, 0xe, 0x2].entries())
        bytes[block + 49 + 2 * i] = (bytes[block + 49 + 2 * i] & 15) | (nibble << 4);
    } else bytes.set([0x55, 0x2e], block);
  }
  return bytes;
}

describe('the table of formats', () => {
  it('has the names, numbers and sizes of ggml', () => {
    for (const format of blockFormats) {
      const [name, blockSize, blockBytes] = ggml.types[format.ggmlType];
      expect([format.name, format.blockSize, format.blockBytes]).toEqual([name.toUpperCase(), blockSize, blockBytes]);
    }
  });

  it('contains every promised format once', () => {
    expect(blockFormats.map((format) => format.name)).toEqual(
      'F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4 NVFP4 Q1_0 Q2_0 IQ3_S IQ3_XXS IQ2_S IQ2_XS IQ2_XXS IQ1_M IQ1_S'.split(
        ' ',
      ),
    );
  });

  it('finds a format by name and by number', () => {
    for (const format of blockFormats) {
      expect(formatByName(format.name)).toBe(format);
      expect(formatByGgmlType(format.ggmlType, 'here')).toBe(format);
    }
  });

  it('throws an error that names an unsupported type and its location and lists the supported types', () => {
    const supported = new Set([...blockFormats, I8].map((format) => format.ggmlType));
    for (const [type, [name]] of Object.entries(ggml.types)) {
      if (supported.has(Number(type))) continue;
      expect(() => formatByGgmlType(Number(type), 'm.gguf: tensor a')).toThrow(
        `m.gguf: tensor a: type ${name.toUpperCase()} is not supported; supported: F32, F16, BF16,`,
      );
    }
    expect(() => formatByGgmlType(12345, 'm.gguf: tensor a')).toThrow('m.gguf: tensor a: type 12345 is not supported');
    expect(() => formatByName('Q9_9')).toThrow(UnsupportedError);
  });
});

describe('agreement with ggml', () => {
  for (const [name, { bytes, values }] of Object.entries(ggml.decoded)) {
    it(`${name}: random bytes decode to the same floats`, () => {
      const expected = new Float32Array(bytesFrom(values).buffer);
      expect(decode(formatOf(name), bytesFrom(bytes))).toEqual(expected);
    });
  }

  for (const [name, hash] of Object.entries(ggml.manyBlocks)) {
    it(`${name}: every vector of its codebook is ggml's`, () => {
      const values = decode(formatOf(name), manyBlocks(formatOf(name)));
      expect(createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex')).toBe(hash);
    });
  }

  for (const [name, bytes] of Object.entries(ggml.encoded)) {
    it(`${name}: the same elements encode to the same bytes`, () => {
      expect(encode(formatOf(name), noise(1, 1024))).toEqual(bytesFrom(bytes));
    });
  }

  const x = noise(2, 16 * 1024);
  for (const [name, error] of Object.entries(ggml.squaredError)) {
    it(`${name}: encodes with no more error than ggml's encoder`, () => {
      expect(squaredError(x, roundTrip(formatOf(name), x))).toBeLessThan(error);
    });
  }

  for (const [name, error] of Object.entries(ggml.weightedSquaredError)) {
    it(`${name}: encodes by importance with no more weighted error than ggml's encoder`, () => {
      const weights = importances(x.length);
      const weighted = squaredError(x, roundTrip(formatOf(name), x, weights), weights);
      expect(weighted).toBeLessThan(error);
      expect(weighted).toBeLessThan(squaredError(x, roundTrip(formatOf(name), x), weights));
    });
  }
});

/** Relative root mean square error on normal data, and the maximum on any data. */
const errors: Record<string, { normal: number; most: number; idempotent?: true }> = {
  F32: { normal: 0, most: 0, idempotent: true },
  F16: { normal: 0.00022, most: 0.0005, idempotent: true },
  BF16: { normal: 0.0018, most: 0.004, idempotent: true },
  Q8_0: { normal: 0.0055, most: 0.022, idempotent: true },
  Q4_0: { normal: 0.087, most: 0.36, idempotent: true },
  Q4_1: { normal: 0.079, most: 0.28 },
  Q5_0: { normal: 0.043, most: 0.18, idempotent: true },
  Q5_1: { normal: 0.038, most: 0.14 },
  Q2_K: { normal: 0.27, most: 0.5 },
  Q3_K: { normal: 0.147, most: 0.4 },
  Q4_K: { normal: 0.0715, most: 0.28 },
  Q5_K: { normal: 0.0355, most: 0.14 },
  Q6_K: { normal: 0.0175, most: 0.06 },
  IQ4_NL: { normal: 0.075, most: 0.2 },
  IQ4_XS: { normal: 0.076, most: 0.2 },
  // ternary formats are made for ternary data; other data is rounded to -1, 0 or 1 times the maximum
  TQ1_0: { normal: 0.82, most: 1, idempotent: true },
  TQ2_0: { normal: 0.82, most: 1, idempotent: true },
  MXFP4: { normal: 0.117, most: 0.36, idempotent: true },
};

describe.each(blockFormats.filter(({ decodeOnly }) => decodeOnly))('$name', (format) => {
  it('is read, and refused where it would be written', () => {
    const bytes = new Uint8Array(2 * format.blockBytes);
    const encodeZeros = () => format.encode(new Float32Array(2 * format.blockSize), 0, bytes, 0, 2);
    expect(encodeZeros).toThrow(UnsupportedError);
    expect(encodeZeros).toThrow(`encoding to ${format.name} is not supported`);
  });

  it('decodes within the offsets and blocks it is given', () => {
    const blocks = manyBlocks(format).subarray(0, 4 * format.blockBytes);
    const y = new Float32Array(2 * format.blockSize + 6).fill(7);
    format.decode(blocks, format.blockBytes, y, 3, 2);
    expect(y.slice(3, -3)).toEqual(decode(format, blocks.slice(format.blockBytes, 3 * format.blockBytes)));
    expect([...y.slice(0, 3), ...y.slice(-3)]).toEqual(Array(6).fill(7));
  });
});

describe.each(blockFormats.filter(({ decodeOnly, codebook }) => !decodeOnly && !codebook))('$name', (format) => {
  const { normal, most, idempotent } = errors[format.name];
  const count = Math.max(format.blockSize, 32) * 2;
  /** Elements with magnitudes up to 2^-6 … 2^6 per block, as weights have. */
  const elements = fc
    .tuple(
      fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: count, maxLength: count }),
      fc.integer({ min: -6, max: 6 }),
    )
    .map(([values, exponent]) => Float32Array.from(values, (value) => value * 2 ** exponent));

  it('has the expected error on normal data', () => {
    const random = seededRandom(3);
    const x = Float32Array.from({ length: 32 * 1024 }, () => random.normal());
    expect(relativeError(x, roundTrip(format, x))).toBeLessThanOrEqual(normal);
  });

  it('never exceeds its maximum error', () => {
    fc.assert(
      fc.property(elements, (x) => {
        // smaller scales are subnormal half floats
        const floor = 2 ** -24 * 256 * Math.sqrt(x.length);
        const error = Math.sqrt(squaredError(x, roundTrip(format, x)));
        expect(error).toBeLessThanOrEqual(most * Math.sqrt(squaredError(x, new Float32Array(count))) + floor);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  if (idempotent) {
    it('is unchanged by a second round trip', () => {
      fc.assert(
        fc.property(elements, (x) => {
          const once = roundTrip(format, x);
          // the sign of zero may change
          expect(roundTrip(format, once).map(plusZero)).toEqual(once.map(plusZero));
        }),
        { numRuns: 50, seed: 2 },
      );
    });
  }

  it('keeps zeros', () => {
    const x = new Float32Array(count);
    expect(roundTrip(format, x).every((value) => value === 0)).toBe(true);
    const weightless = roundTrip(format, noise(4, count), x);
    expect(weightless.every(Number.isFinite)).toBe(true);
  });

  it('keeps constants', () => {
    for (const constant of [1, -1, 0.3, -0.07, 1000]) {
      const x = new Float32Array(count).fill(constant);
      // MXFP4 has no value between 6 and 8 times its scale
      expect(relativeError(x, roundTrip(format, x))).toBeLessThan(format.name === 'MXFP4' ? 0.25 : 0.005);
    }
  });

  it('keeps one large element, and zeros beside it near zero', () => {
    for (const large of [3, -3]) {
      const x = new Float32Array(count);
      x[5] = large;
      const y = roundTrip(format, x);
      expect(Math.abs(y[5] - large)).toBeLessThan(0.01);
      // IQ4_NL and IQ4_XS have no level at zero
      expect(y.every((value, i) => i === 5 || Math.abs(value) < 0.03)).toBe(true);
    }
  });

  it('has an absolute error no larger than elements that are too small for a half float', () => {
    const x = noise(5, count).map((value) => value * 1e-12);
    const y = roundTrip(format, x);
    expect(Math.sqrt(squaredError(x, y) / count)).toBeLessThan(1e-11);
  });

  it('encodes values out of range without affecting other blocks', () => {
    for (const bad of [1e38, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const x = noise(6, count);
      x[0] = bad;
      const good = x.slice();
      good[0] = 0;
      const bytes = encode(format, x);
      expect(bytes.subarray(format.blockBytes)).toEqual(encode(format, good).subarray(format.blockBytes));
      if (bad === 1e38 && format.name !== 'F32' && format.name !== 'BF16' && format.name !== 'MXFP4') {
        expect(decode(format, bytes).every(Number.isFinite)).toBe(false);
      }
    }
  });

  it('reads and writes only the given blocks', () => {
    const blocks = 3;
    const x = noise(7, blocks * format.blockSize);
    const bytes = new Uint8Array(blocks * format.blockBytes + 10).fill(0xab);
    const shifted = new Float32Array(x.length + 6);
    shifted.set(x, 3);
    format.encode(shifted, 3, bytes, 5, blocks);
    const inner = bytes.slice(5, bytes.length - 5);
    expect(inner).toEqual(encode(format, x));
    expect([...bytes.slice(0, 5), ...bytes.slice(-5)]).toEqual(Array(10).fill(0xab));

    const y = new Float32Array(x.length + 6).fill(7);
    format.decode(bytes.subarray(1), 4, y, 3, blocks);
    expect(y.slice(3, -3)).toEqual(decode(format, inner));
    expect([...y.slice(0, 3), ...y.slice(-3)]).toEqual(Array(6).fill(7));
  });
});
