/** Columns of rows brought together, for products that sum over rows: tiles of 6 columns, panels of 8. */
import { ROWS } from "./tile";

/** Rows that are summed up at a time: a panel and a tile of them stay in the first-level cache. */
export const DEPTH: i32 = 256;

/** `tiles` times 6 columns of rows → [tiles][count][6], of which these are `rows`; columns beyond the last are anything. */
export function takeTiles(x: usize, stride: usize, rows: i32, tiles: i32, to: usize, count: i32): void {
  const tileBytes = <usize>count * ROWS * 4;
  for (let row = 0; row < rows; row++) {
    let from = x, at = to;
    for (let tile = 0; tile < tiles; tile++) {
      v128.store(at, v128.load(from));
      store<u64>(at, load<u64>(from, 16), 16);
      from += ROWS * 4;
      at += tileBytes;
    }
    x += stride;
    to += ROWS * 4;
  }
}

/** `panels` times 8 columns of rows → [panels][count][8], of which these are `rows`; columns beyond the last are anything. */
export function takePanels(x: usize, stride: usize, rows: i32, panels: i32, to: usize, count: i32): void {
  const panelBytes = <usize>count << 5;
  for (let row = 0; row < rows; row++) {
    let from = x, at = to;
    for (let panel = 0; panel < panels; panel++) {
      v128.store(at, v128.load(from));
      v128.store(at, v128.load(from, 16), 16);
      from += 32;
      at += panelBytes;
    }
    x += stride;
    to += 32;
  }
}
