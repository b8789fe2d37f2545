/**
 * From ggml's layout, row after row, to packed groups of 8 rows. A format F says how many bytes its block has in a file
 * and places one row's block among the 8: stored, place(to, row, from), with columns 32 · tiles and bytes of 8 blocks.
 */

/** @param from whole rows in ggml's layout @param groups of 8 rows @param columns K */
@inline export function packRows<F>(from: usize, to: usize, groups: i32, columns: i32): void {
  const f = changetype<F>(0);
  const blocks: usize = columns / (32 * f.tiles());
  const rowBytes = blocks * f.stored();
  for (let group = 0; group < groups; group++) {
    for (let block: usize = 0; block < blocks; block++) {
      for (let row = 0; row < 8; row++) f.place(to, row, from + <usize>row * rowBytes + block * f.stored());
      to += f.bytes();
    }
    from += 8 * rowBytes;
  }
}
