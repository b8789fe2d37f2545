/** Converts stored floats to F32. */
import { address, argument, claim, piecesOf, shareFrom, shareTo } from "../parts/control";
import { floatBytes, take32 } from "../parts/storedFloats";

/**
 * Arguments: 0 kind of the floats, 1 floats, 2 result (F32), 3 address of a word that becomes 1 if one of them is not finite, 4 count, a
 * multiple of 32.
 */
export function takeFloats(command: usize, thread: i32, threads: i32): void {
  const kind = argument(command, 0), count = argument(command, 4) >> 5;
  const bytes: usize = floatBytes(kind) << 5;
  const pieces = piecesOf(count, threads);
  let special = i32x4.splat(0);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads))
    for (let i: usize = shareFrom(count, piece, pieces), end: usize = shareTo(count, piece, pieces); i < end; i++) {
      const from = address(command, 1) + i * bytes, to = address(command, 2) + (i << 7);
      special = v128.or(special, take32(kind, from, to));
      if (kind == 0 && from != to) memory.copy(to, from, 128);
    }
  if (v128.any_true(special)) store<i32>(address(command, 3), 1);
}
