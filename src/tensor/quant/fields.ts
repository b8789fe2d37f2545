/** Fields of a block: where they lie, and reading and writing the half floats among them. */
import { floatToHalf, halfToFloat } from '../../core/half.ts';

/**
 * Byte offsets of a block's fields, which follow each other without gaps.
 * @param bytes the block's size, as its specification states it
 * @param sizes bytes of each field, in order
 * @throws {Error} when the fields do not fill the block exactly: a mistake in the format's file
 */
export function layout<Field extends string>(
  name: string,
  bytes: number,
  sizes: Readonly<Record<Field, number>>,
): Readonly<Record<Field, number>> {
  const offsets: Record<Field, number> = { ...sizes };
  let end = 0;
  for (const field in sizes) {
    offsets[field] = end;
    end += sizes[field];
  }
  if (end !== bytes) throw new Error(`${name}: its fields take ${end} bytes, expected ${bytes}`);
  return offsets;
}

/** The half float at byte `at`, little-endian. */
export function readHalf(from: Uint8Array, at: number): number {
  return halfToFloat(from[at] | (from[at + 1] << 8));
}

/** Stores `value` as a half float at byte `at`; returns it as stored, rounded. */
export function writeHalf(to: Uint8Array, at: number, value: number): number {
  const half = floatToHalf(value);
  to[at] = half;
  to[at + 1] = half >> 8;
  return halfToFloat(half);
}
