/**
 * Packs rows into the tiles of 6 and panels of 8 that products need (see tile.ts): of rows if
 * sums are over columns, of columns if sums are over rows.
 */
import { ROWS } from "./tile";

/** Rows per pass: a panel and a tile of them stay in the L1 cache. */
export const DEPTH: i32 = 512;

/** Rows per tile before the next one starts, so that cache lines are completed before they are evicted. */
export const BLOCK: i32 = 32;

/** `tiles` times 6 columns of rows → [tiles][count][6], of which these are `rows`; columns beyond the last are undefined. */
export function takeTiles(x: usize, stride: usize, rows: i32, tiles: i32, to: usize, count: i32): void {
  const tileBytes = <usize>count * ROWS * 4;
  for (let first = 0; first < rows; first += BLOCK) {
    const block = min(BLOCK, rows - first);
    let top = x, begin = to;
    for (let tile = 0; tile < tiles; tile++) {
      let from = top, at = begin;
      for (const end = begin + <usize>block * (ROWS * 4); at < end; at += ROWS * 4) {
        v128.store(at, v128.load(from));
        store<u64>(at, load<u64>(from, 16), 16);
        from += stride;
      }
      top += ROWS * 4;
      begin += tileBytes;
    }
    x += <usize>block * stride;
    to += <usize>block * (ROWS * 4);
  }
}

/** `panels` times 8 columns of rows → [panels][count][8], of which these are `rows`; columns beyond the last are undefined. */
export function takePanels(x: usize, stride: usize, rows: i32, panels: i32, to: usize, count: i32): void {
  const panelBytes = <usize>count << 5;
  for (let first = 0; first < rows; first += BLOCK) {
    const block = min(BLOCK, rows - first);
    let top = x, begin = to;
    for (let panel = 0; panel < panels; panel++) {
      let from = top, at = begin;
      for (const end = begin + (<usize>block << 5); at < end; at += 32) {
        v128.store(at, v128.load(from));
        v128.store(at, v128.load(from, 16), 16);
        from += stride;
      }
      top += 32;
      begin += panelBytes;
    }
    x += <usize>block * stride;
    to += <usize>block << 5;
  }
}

/** Columns of up to 6 rows → [columns][6]; rows beyond the last repeat it. */
export function takeRows(x: usize, stride: usize, rows: i32, to: usize, columns: i32): void {
  const last: usize = rows - 1;
  let p0 = x, p1 = x + min<usize>(1, last) * stride, p2 = x + min<usize>(2, last) * stride;
  let p3 = x + min<usize>(3, last) * stride, p4 = x + min<usize>(4, last) * stride, p5 = x + min<usize>(5, last) * stride;
  for (const end = to + <usize>(columns >> 2) * 96; to < end; to += 96) {
    const a = v128.load(p0), b = v128.load(p1), c = v128.load(p2), d = v128.load(p3), e = v128.load(p4), f = v128.load(p5);
    const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    const AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7), CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    const ef = v128.shuffle<i32>(e, f, 0, 4, 1, 5), EF = v128.shuffle<i32>(e, f, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2));
    v128.store(to, v128.shuffle<i64>(ef, ab, 0, 3), 16);
    v128.store(to, v128.shuffle<i64>(cd, ef, 1, 3), 32);
    v128.store(to, v128.shuffle<i64>(AB, CD, 0, 2), 48);
    v128.store(to, v128.shuffle<i64>(EF, AB, 0, 3), 64);
    v128.store(to, v128.shuffle<i64>(CD, EF, 1, 3), 80);
    p0 += 16; p1 += 16; p2 += 16; p3 += 16; p4 += 16; p5 += 16;
  }
  for (let k = 0; k < (columns & 3); k++) {
    store<f32>(to, load<f32>(p0)); store<f32>(to, load<f32>(p1), 4); store<f32>(to, load<f32>(p2), 8);
    store<f32>(to, load<f32>(p3), 12); store<f32>(to, load<f32>(p4), 16); store<f32>(to, load<f32>(p5), 20);
    p0 += 4; p1 += 4; p2 += 4; p3 += 4; p4 += 4; p5 += 4; to += 24;
  }
}

/** Columns of up to 8 rows → [columns][8]; rows beyond the last repeat it. */
export function turnRows(x: usize, stride: usize, rows: i32, to: usize, columns: i32): void {
  for (let half = 0; half < 2; half++) {
    const last: usize = rows - 1, first: usize = half << 2;
    let p0 = x + min<usize>(first, last) * stride, p1 = x + min<usize>(first + 1, last) * stride;
    let p2 = x + min<usize>(first + 2, last) * stride, p3 = x + min<usize>(first + 3, last) * stride;
    let at = to + (first << 2);
    for (const end = at + <usize>(columns >> 2) * 128; at < end; at += 128) {
      const a = v128.load(p0), b = v128.load(p1), c = v128.load(p2), d = v128.load(p3);
      const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
      const AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7), CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
      v128.store(at, v128.shuffle<i64>(ab, cd, 0, 2)); v128.store(at, v128.shuffle<i64>(ab, cd, 1, 3), 32);
      v128.store(at, v128.shuffle<i64>(AB, CD, 0, 2), 64); v128.store(at, v128.shuffle<i64>(AB, CD, 1, 3), 96);
      p0 += 16; p1 += 16; p2 += 16; p3 += 16;
    }
    for (let k = 0; k < (columns & 3); k++) {
      store<f32>(at, load<f32>(p0)); store<f32>(at, load<f32>(p1), 4); store<f32>(at, load<f32>(p2), 8); store<f32>(at, load<f32>(p3), 12);
      p0 += 4; p1 += 4; p2 += 4; p3 += 4; at += 32;
    }
  }
}
