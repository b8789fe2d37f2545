/** Kernels of encoders beside the formats' own encoders. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../core/random.ts';
import type { CheckpointTensor } from '../formats/checkpoint.ts';
import { bytesOf } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import { encode, encodeRows, encodeStored } from './encodeRows.ts';
import { Matrices } from './matrix/matrices.ts';

const COLUMNS = 512;
const ROWS = 9;
const random = seededRandom(3);

/** Rows of different magnitudes, among them subnormal ones, with zeros of both signs, and with equal extremes of both signs. */
const values = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => {
  const row = Math.floor(i / COLUMNS);
  const x = random.normal();
  if (row === 1) return i % 64 < 32 ? 0 : i % 3 === 0 ? -0 : x;
  if (row === 2) return random.integer(5) - 2;
  if (row === 3) return 1e-41 * x;
  if (row === 4) return 3e-38 * x;
  if (row === 5) return Math.abs(x) * (i % 7 === 0 ? 0 : 1);
  if (row === 6) return 1e4 * x;
  if (row === 7) return Math.round(2 * x) / 2;
  return 0.02 * x;
});

/** A tensor of some values in memory. */
function tensorOf(name: string, elements: Float32Array): CheckpointTensor {
  const format = formatByName(name);
  const bytes = new Uint8Array(bytesOf(format, elements.length));
  format.encode(elements, 0, bytes, 0, elements.length);
  const read = async (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length));
  return { name: 'w', format, shape: [elements.length / COLUMNS, COLUMNS], byteLength: bytes.length, read };
}

/** The values as a format stores them. */
function stored(name: string): Float32Array {
  const tensor = tensorOf(name, values);
  const bytes = new Uint8Array(tensor.byteLength);
  void tensor.read(0, bytes);
  const result = new Float32Array(values.length);
  tensor.format.decode(bytes, 0, result, 0, values.length);
  return result;
}

let matrices: Matrices;
beforeAll(async () => {
  matrices = await Matrices.create(2);
});
afterAll(() => matrices.dispose());

describe.each(['F32', 'F16', 'BF16'])('from %s', (from) => {
  it.each(['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0'])('%s has the bytes of its encoder', async (name) => {
    const format = formatByName(name);
    const expected = encode(stored(from), COLUMNS, format, undefined);
    const found = await encodeStored(matrices, tensorOf(from, values), format, undefined);
    for (let row = 0, size = bytesOf(format, COLUMNS); row < ROWS; row++)
      expect(found!.subarray(row * size, (row + 1) * size), `row ${row}`).toEqual(
        expected.subarray(row * size, (row + 1) * size),
      );
  });

  it.each(['Q4_0', 'Q3_K', 'Q4_K'])('%s by importance has the bytes that it has from memory', async (name) => {
    const importance = Float32Array.from({ length: COLUMNS }, (_, i) => 1 + (i % 5) ** 3);
    const expected = encodeRows(matrices, stored(from), COLUMNS, formatByName(name), importance);
    expect(await encodeStored(matrices, tensorOf(from, values), formatByName(name), importance)).toEqual(expected);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('notices %s', async (wrong) => {
    for (const index of [0, 777, values.length - 1]) {
      const tensor = tensorOf(from, values.with(index, wrong));
      for (const name of ['Q4_0', 'Q6_K'])
        expect(await encodeStored(matrices, tensor, formatByName(name), undefined)).toBeUndefined();
    }
  });
});

it('throws what reading throws', async () => {
  const tensor = { ...tensorOf('F16', values), read: () => Promise.reject(new Error('no disk')) };
  await expect(encodeStored(matrices, tensor, formatByName('Q4_0'), undefined)).rejects.toThrow('no disk');
});

it('has no kernel for codebooks and quantized sources', async () => {
  expect(await encodeStored(matrices, tensorOf('F16', values), formatByName('IQ3_S'), undefined)).toBeUndefined();
  const quantized = { ...tensorOf('F16', values), format: formatByName('Q8_0') };
  expect(await encodeStored(matrices, quantized, formatByName('Q4_0'), undefined)).toBeUndefined();
});
