/** Reads bytes of a section through its pieces. */
import type { Piece, StoredSection } from '../../formats/packages/manifest.ts';

/** Reads bytes of a piece. */
export type ReadPiece = (piece: Piece, offset: number, into: Uint8Array) => Promise<void>;

export async function readSection(
  { pieces }: StoredSection,
  offset: number,
  into: Uint8Array,
  read: ReadPiece,
): Promise<void> {
  let start = 0;
  for (const piece of pieces) {
    const from = Math.max(offset, start);
    const to = Math.min(offset + into.length, start + piece.bytes);
    if (from < to) await read(piece, from - start, into.subarray(from - offset, to - offset));
    start += piece.bytes;
  }
}
