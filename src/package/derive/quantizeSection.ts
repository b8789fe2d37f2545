/**
 * A recipe that makes pieces without fetching them: a tensor in another block format, from the tensor that the device has. Decoding and encoding are plain
 * TypeScript with the same result everywhere; the publisher offers a recipe only where it made exactly the published bytes.
 */
import type { StoredSection } from '../../formats/packages/manifest.ts';
import { formatByName } from '../../tensor/formats.ts';
import { type ReadPiece, readSection } from './section.ts';

/** Elements that are decoded at a time. A multiple of every block size. */
const PART_ELEMENTS = 65_536;

/** True if the recipe applies: the same tensor in two block formats, the new one with an encoder. */
export function isQuantizable(before: StoredSection, after: StoredSection): boolean {
  if (before.type === undefined || after.type === undefined || before.type === after.type) return false;
  return before.shape?.join() === after.shape?.join() && formatByName(after.type).decodeOnly !== true;
}

/**
 * @param index of the piece in `after`
 * @returns bytes that `after`'s piece has if the recipe is right; the caller compares the hash
 */
export async function quantizePiece(
  before: StoredSection,
  after: StoredSection,
  index: number,
  read: ReadPiece,
): Promise<Uint8Array> {
  const [from, to] = [formatByName(before.type!), formatByName(after.type!)];
  const start = after.pieces.slice(0, index).reduce((sum, { bytes }) => sum + bytes, 0);
  const made = new Uint8Array(after.pieces[index].bytes);
  const first = (start / to.blockBytes) * to.blockSize;
  const count = (made.length / to.blockBytes) * to.blockSize;
  // whole blocks of the source: with blocks of 32 and 256 the piece may begin within one
  const values = new Float32Array(PART_ELEMENTS + from.blockSize);
  for (let done = 0; done < count; done += PART_ELEMENTS) {
    const elements = Math.min(PART_ELEMENTS, count - done);
    const skip = (first + done) % from.blockSize;
    const blocks = Math.ceil((skip + elements) / from.blockSize);
    const bytes = new Uint8Array(blocks * from.blockBytes);
    await readSection(before, ((first + done - skip) / from.blockSize) * from.blockBytes, bytes, read);
    const decoded = blocks * from.blockSize > values.length ? new Float32Array(blocks * from.blockSize) : values;
    from.decode(bytes, 0, decoded, 0, blocks);
    to.encode(decoded, skip, made, (done / to.blockSize) * to.blockBytes, elements / to.blockSize);
  }
  return made;
}
