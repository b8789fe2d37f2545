/**
 * Converts ggml's layout, row after row, to packed groups of 8 rows. A format F defines the bytes of its block in a file
 * and stores one row's block in the group: stored, place(to, row, from), with columns 32 · tiles and bytes of 8 blocks.
 */
import { address, argument, claim, piecesOf, shareFrom, shareTo } from "./control";

/** Kernel arguments: 0 whole rows in ggml's layout, 1 packed groups, 2 groups of 8 rows, 3 K. */
@inline export function packRows<F>(command: usize, thread: i32, threads: i32): void {
  const f = changetype<F>(0);
  const blocks: usize = argument(command, 3) / (32 * f.tiles());
  const rowBytes = blocks * f.stored();
  const groups = argument(command, 2), pieces = piecesOf(groups, threads);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    const first = shareFrom(groups, piece, pieces), last = shareTo(groups, piece, pieces);
    let from = address(command, 0) + 8 * rowBytes * first;
    let to = address(command, 1) + blocks * f.bytes() * first;
    for (let group = first; group < last; group++) {
      for (let block: usize = 0; block < blocks; block++) {
        for (let row = 0; row < 8; row++) f.place(to, row, from + <usize>row * rowBytes + block * f.stored());
        to += f.bytes();
      }
      from += 8 * rowBytes;
    }
  }
}
