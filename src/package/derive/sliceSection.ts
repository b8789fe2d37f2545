/** A recipe that takes some experts of a tensor that the device has: slices along its slowest dimension, in any order. */
import type { StoredSection } from '../../formats/packages/manifest.ts';
import { sectionBytes } from '../../formats/packages/manifest.ts';
import { type ReadPiece, readSection } from './section.ts';

/** True if the recipe applies: the same format, and shapes that differ in the number of slices. @param slices of the old tensor, in the new order */
export function isSliceable(before: StoredSection, after: StoredSection, slices: readonly number[]): boolean {
  if (!haveSlices(before, after) || slices.length !== after.shape![0]) return false;
  return slices.every((slice) => slice < before.shape![0]);
}

/** True for two stacks of matrices of the same size and format. */
export function haveSlices(before: StoredSection, after: StoredSection): boolean {
  if (before.type === undefined || before.type !== after.type || before.shape?.length !== 3) return false;
  return after.shape?.length === 3 && before.shape.slice(1).join() === after.shape.slice(1).join();
}

/** Bytes of a slice. */
export function sliceBytes(section: StoredSection): number {
  return sectionBytes(section) / section.shape![0];
}

/** @param index of the piece in `after` @returns bytes that `after`'s piece has if the recipe is right; the caller compares the hash */
export async function slicePiece(
  before: StoredSection,
  after: StoredSection,
  index: number,
  slices: readonly number[],
  read: ReadPiece,
): Promise<Uint8Array> {
  const size = sliceBytes(after);
  const start = after.pieces.slice(0, index).reduce((sum, { bytes }) => sum + bytes, 0);
  const made = new Uint8Array(after.pieces[index].bytes);
  for (let done = 0; done < made.length; ) {
    const within = (start + done) % size;
    const count = Math.min(size - within, made.length - done);
    const slice = slices[Math.floor((start + done) / size)];
    await readSection(before, slice * size + within, made.subarray(done, done + count), read);
    done += count;
  }
  return made;
}
