/** Fields of a block: their offsets, and access to half floats. */
import { floatToHalf, halfToFloat } from '../../core/half.ts';

/**
 * Returns the byte offsets of a block's fields, which have no gaps between them.
 * @param bytes size of the block according to the specification
 * @param sizes sizes of the fields in bytes, in order
 * @throws {Error} if the fields do not fill the block exactly, which is a bug in the format's file
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

/** Reads the half float at byte `at`, little-endian. */
export function readHalf(from: Uint8Array, at: number): number {
  return halfToFloat(from[at] | (from[at + 1] << 8));
}

/** Writes `value` as a half float at byte `at`. Returns the rounded value. */
export function writeHalf(to: Uint8Array, at: number, value: number): number {
  const half = floatToHalf(value);
  to[at] = half;
  to[at + 1] = half >> 8;
  return halfToFloat(half);
}

/** The unsigned 32-bit integer at byte `at`, little-endian. */
export function readU32(from: Uint8Array, at: number): number {
  return (from[at] | (from[at + 1] << 8) | (from[at + 2] << 16) | (from[at + 3] << 24)) >>> 0;
}

/** Writes a 32-bit integer at byte `at`, little-endian. */
export function writeU32(to: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 4; i++) to[at + i] = value >>> (8 * i);
}
