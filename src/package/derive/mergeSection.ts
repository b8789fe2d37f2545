/**
 * A recipe that merges an adapter (LoRA) into a tensor that the device has: W + scale · B·A, in the tensor's own block format. Sums are computed in the order
 * of the rank in 64 bits and rounded to float32 once, so the result is the same everywhere.
 */
import type { StoredSection } from '../../formats/packages/manifest.ts';
import { formatByName } from '../../tensor/formats.ts';
import { type ReadPiece, readSection } from './section.ts';

/** The factors of an adapter for one matrix: A [rank, inputs] and B [outputs, rank], both in F32. */
export interface Factors {
  readonly a: StoredSection;
  readonly b: StoredSection;
  /** alpha / rank */
  readonly scale: number;
}

/** Elements that are decoded at a time. A multiple of every block size. */
const PART_ELEMENTS = 65_536;

/** True if the recipe applies: a matrix in a format with an encoder, and factors of its shape. */
export function isMergeable(before: StoredSection, after: StoredSection, { a, b }: Factors): boolean {
  if (before.type === undefined || before.type !== after.type || formatByName(before.type).decodeOnly) return false;
  if (a.type !== 'F32' || b.type !== 'F32' || before.shape?.length !== 2) return false;
  const [outputs, inputs] = before.shape as [number, number];
  const rank = a.shape?.[0];
  return (
    after.shape?.join() === before.shape.join() &&
    a.shape?.join() === `${rank},${inputs}` &&
    b.shape?.join() === `${outputs},${rank}`
  );
}

/**
 * @param index of the piece in `after` @param read reads pieces of the tensor @param readFactor reads pieces of a factor
 * @returns bytes that `after`'s piece has if the recipe is right; the caller compares the hash
 */
export async function mergePiece(
  before: StoredSection,
  after: StoredSection,
  index: number,
  { a, b, scale }: Factors,
  read: ReadPiece,
  readFactor: (section: StoredSection) => ReadPiece,
): Promise<Uint8Array> {
  const format = formatByName(before.type!);
  const inputs = before.shape![1];
  const merged = merger(await floatsOf(a, readFactor(a)), await floatsOf(b, readFactor(b)), inputs, scale);
  const start = after.pieces.slice(0, index).reduce((sum, { bytes }) => sum + bytes, 0);
  const made = new Uint8Array(after.pieces[index].bytes);
  const first = (start / format.blockBytes) * format.blockSize;
  const count = (made.length / format.blockBytes) * format.blockSize;
  const values = new Float32Array(PART_ELEMENTS);
  for (let done = 0; done < count; done += PART_ELEMENTS) {
    const blocks = Math.min(PART_ELEMENTS, count - done) / format.blockSize;
    const bytes = new Uint8Array(blocks * format.blockBytes);
    await readSection(before, ((first + done) / format.blockSize) * format.blockBytes, bytes, read);
    format.decode(bytes, 0, values, 0, blocks);
    merged(values.subarray(0, blocks * format.blockSize), first + done);
    format.encode(values, 0, made, (done / format.blockSize) * format.blockBytes, blocks);
  }
  return made;
}

/** Returns a function that adds scale · B·A to elements of a matrix from `first` on, row by row. */
export function merger(a: Float32Array, b: Float32Array, inputs: number, scale: number) {
  const rank = a.length / inputs;
  return (values: Float32Array, first: number): void => {
    for (let i = 0; i < values.length; i++) {
      const row = Math.floor((first + i) / inputs);
      const column = (first + i) % inputs;
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += b[row * rank + r] * a[r * inputs + column];
      values[i] = values[i] + scale * sum;
    }
  };
}

async function floatsOf(section: StoredSection, read: ReadPiece): Promise<Float32Array> {
  const bytes = new Uint8Array(section.pieces.reduce((sum, piece) => sum + piece.bytes, 0));
  await readSection(section, 0, bytes, read);
  const values = new Float32Array(bytes.length / 4);
  formatByName('F32').decode(bytes, 0, values, 0, values.length);
  return values;
}
