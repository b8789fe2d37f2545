/** Compares bytes with the piece that they should be. */
import { hashOf } from './hash.ts';
import type { Piece } from './manifest.ts';
import { PackageError } from './packageError.ts';

/** @throws {PackageError} BAD_PIECE */
export function checkPiece(piece: Piece, bytes: Uint8Array, from: string): void {
  const found = bytes.length === piece.bytes ? hashOf(bytes) : `that of ${bytes.length} bytes`;
  if (found === piece.sha256) return;
  const problem = `a piece of ${piece.bytes} bytes has the SHA-256 ${found}, expected ${piece.sha256}: it is damaged`;
  throw new PackageError('BAD_PIECE', `${from}: ${problem}`, { from, expected: piece.sha256, found });
}
