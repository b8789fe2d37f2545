/**
 * Matrix products with weights whose codes need all of a signed byte: value = scale · code, per 32 columns. A format F
 * describes its packed super-block of 8 rows; the loops here are shared by all of them.
 *
 * Activations (quantize.ts): int16 with one scale d per 32 columns; consecutive columns are multiplied in pairs.
 *   one token     codes [K], scales [K/32]
 *   more tokens   tiles of 4: codes [K/2][4 tokens][2], scales [K/32][4 tokens]
 *
 * F's methods, all inlined: on the super-block d(half): f32 scales of 4 rows; on a tile of 32 columns scale(half, d),
 * raw(i, half), and pair(n, i, half, which, first, second): 4 rows × 2 columns as i16, for which = 0 … 3 the columns from
 * 4i, 4i+2, 16+4i, 18+4i. Constants: bytes, head, tile, tiles, and first and second: vectors that pair is handed.
 */
import { address, argument, claim, piecesOf, rowsOf, shareFrom, shareTo } from "./control";
import { held, madd, spread0, spread1, spread2, spread3 } from "./simd";
import { storeRows } from "./store";

@inline function dot(x: v128, w: v128, sum: v128): v128 { return i32x4.add(sum, i32x4.dot_i16x8_s(w, x)); }

/**
 * Kernel arguments: 0 rows kind (T or R), 1 weights, 2 activation codes, 3 activation scales, 4 output [rows, N],
 * 5 N, 6 K, 7 bias or 0, 8 residual [rows, N] or 0, 9 scratch, 10 scratch bytes per thread.
 */
@inline export function matmulSigned<F>(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  if (rows == 0) return;
  const groups = (argument(command, 5) + 7) >> 3;
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  const fours = (groups + 3) >> 2, pieces = piecesOf(fours, threads);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    const from = shareFrom(fours, piece, pieces) << 2, to = min(groups, shareTo(fours, piece, pieces) << 2);
    if (rows == 1) vector<F>(command, from, to, scratch);
    else tiles<F>(command, from, to, scratch);
  }
}

/**
 * Four groups at once: while one waits for memory, at the beginning of a page, what comes of the others goes on arriving.
 * Sums are kept in scratch: each store keeps V8 from loading all of what follows at once, and spilling it.
 */
function vector<F>(command: usize, from: i32, to: i32, sums: usize): void {
  const f = changetype<F>(0);
  const bytes = <usize>(argument(command, 6) / (32 * f.tiles())) * f.bytes();
  const first = held(f.first()), second = held(f.second());
  for (let group = from; group < to; group += 4) {
    let w = address(command, 1) + <usize>group * bytes;
    // groups beyond the last are the first again
    const o1 = group + 1 < to ? bytes : 0, o2 = group + 2 < to ? 2 * bytes : 0, o3 = group + 3 < to ? 3 * bytes : 0;
    let px = address(command, 2);
    let ps = address(command, 3);
    for (let i: usize = 0; i < 128; i += 16) v128.store(sums + i, f32x4.splat(0));
    const last = w + bytes;
    do {
      const a = changetype<F>(w), b = changetype<F>(w + o1), c = changetype<F>(w + o2), e = changetype<F>(w + o3);
      const d0 = a.d(0), d1 = a.d(1), d2 = b.d(0), d3 = b.d(1), d4 = c.d(0), d5 = c.d(1), d6 = e.d(0), d7 = e.d(1);
      const end = w + f.bytes();
      w += f.head();
      do {
        half<F>(w, 0, px, ps, d0, first, second, sums);
        half<F>(w, 1, px, ps, d1, first, second, sums + 16);
        half<F>(w + o1, 0, px, ps, d2, first, second, sums + 32);
        half<F>(w + o1, 1, px, ps, d3, first, second, sums + 48);
        half<F>(w + o2, 0, px, ps, d4, first, second, sums + 64);
        half<F>(w + o2, 1, px, ps, d5, first, second, sums + 80);
        half<F>(w + o3, 0, px, ps, d6, first, second, sums + 96);
        half<F>(w + o3, 1, px, ps, d7, first, second, sums + 112);
        w += f.tiles() == 1 ? f.bytes() : f.tile();
        px += 64;
        ps += 4;
      } while (f.tiles() > 1 && w < end);
    } while (w < last);
    for (let i = 0; i < min(4, to - group); i++)
      storeRows(command, 0, (group + i) << 3, v128.load(sums + 32 * i), v128.load(sums + 32 * i, 16));
  }
}

/** 4 rows × 32 columns. */
@inline function half<F>(w: usize, h: i32, px: usize, ps: usize, d: v128, first: v128, second: v128, sums: usize): void {
  const t = changetype<F>(w);
  let x = v128.load(px), y = v128.load(px, 32);
  let n = t.raw(0, h);
  let a = i32x4.dot_i16x8_s(t.pair(n, 0, h, 0, first, second), spread0(x));
  a = dot(spread1(x), t.pair(n, 0, h, 1, first, second), a);
  a = dot(spread0(y), t.pair(n, 0, h, 2, first, second), a);
  a = dot(spread1(y), t.pair(n, 0, h, 3, first, second), a);
  n = t.raw(1, h);
  a = dot(spread2(x), t.pair(n, 1, h, 0, first, second), a);
  a = dot(spread3(x), t.pair(n, 1, h, 1, first, second), a);
  a = dot(spread2(y), t.pair(n, 1, h, 2, first, second), a);
  a = dot(spread3(y), t.pair(n, 1, h, 3, first, second), a);
  x = v128.load(px, 16);
  y = v128.load(px, 48);
  n = t.raw(2, h);
  a = dot(spread0(x), t.pair(n, 2, h, 0, first, second), a);
  a = dot(spread1(x), t.pair(n, 2, h, 1, first, second), a);
  a = dot(spread0(y), t.pair(n, 2, h, 2, first, second), a);
  a = dot(spread1(y), t.pair(n, 2, h, 3, first, second), a);
  n = t.raw(3, h);
  a = dot(spread2(x), t.pair(n, 3, h, 0, first, second), a);
  a = dot(spread3(x), t.pair(n, 3, h, 1, first, second), a);
  a = dot(spread2(y), t.pair(n, 3, h, 2, first, second), a);
  a = dot(spread3(y), t.pair(n, 3, h, 3, first, second), a);
  const sum = f32x4.mul(f32x4.convert_i32x4_s(a), v128.load32_splat(ps));
  v128.store(sums, madd(sum, t.scale(h, d), v128.load(sums)));
}

/** Unpacks 8 rows into scratch: per 32 columns and half 16 vectors of pairs (i16), then 4 scales (f32). [half][K/32][272 bytes] */
function unpack<F>(w: usize, blocks: i32, to: usize): void {
  const f = changetype<F>(0);
  const far = <usize>blocks * f.tiles() * 272;
  const first = held(f.first()), second = held(f.second());
  for (let block = 0; block < blocks; block++) {
    const d0 = changetype<F>(w).d(0);
    const d1 = changetype<F>(w).d(1);
    const end = w + f.bytes();
    w += f.head();
    do {
      unpackHalf<F>(w, to, 0, d0, first, second);
      unpackHalf<F>(w, to + far, 1, d1, first, second);
      w += f.tile();
      to += 272;
    } while (w < end);
  }
}

@inline function unpackHalf<F>(w: usize, to: usize, half: i32, d: v128, first: v128, second: v128): void {
  unpackQuads<F>(w, to, 0, half, first, second);
  unpackQuads<F>(w, to + 32, 1, half, first, second);
  unpackQuads<F>(w, to + 64, 2, half, first, second);
  unpackQuads<F>(w, to + 96, 3, half, first, second);
  v128.store(to, changetype<F>(w).scale(half, d), 256);
}

@inline function unpackQuads<F>(w: usize, to: usize, i: i32, half: i32, first: v128, second: v128): void {
  const t = changetype<F>(w);
  const n = t.raw(i, half);
  v128.store(to, t.pair(n, i, half, 0, first, second));
  v128.store(to, t.pair(n, i, half, 1, first, second), 16);
  v128.store(to, t.pair(n, i, half, 2, first, second), 128);
  v128.store(to, t.pair(n, i, half, 3, first, second), 144);
}

function tiles<F>(command: usize, from: i32, to: i32, scratch: usize): void {
  const f = changetype<F>(0);
  const columns = argument(command, 6);
  const blocks = columns / (32 * f.tiles());
  const rows = rowsOf(argument(command, 0));
  for (let group = from; group < to; group++) {
    unpack<F>(address(command, 1) + <usize>group * blocks * f.bytes(), blocks, scratch);
    let px = address(command, 2);
    let ps = address(command, 3);
    for (let row = 0; row < rows; row += 4) {
      tile(command, scratch, px, ps, row, rows, group << 3);
      px += columns << 3;
      ps += columns >> 1;
    }
  }
}

/** 8 unpacked rows × 4 tokens: sums a … d by token, of rows 0–3 and 4–7. */
function tile(command: usize, w: usize, px: usize, ps: usize, row: i32, rows: i32, column: i32): void {
  const blocks = argument(command, 6) >> 5;
  const far = <usize>blocks * 272;
  let A0 = f32x4.splat(0), A1 = A0, B0 = A0, B1 = A0, C0 = A0, C1 = A0, D0 = A0, D1 = A0;
  for (let block = 0; block < blocks; block++) {
    let a0 = i32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
    const end = w + 256;
    do {
      const v0 = v128.load(w), v1 = v128.load(w + far), x = v128.load(px);
      let y = spread0(x);
      a0 = dot(y, v0, a0); a1 = dot(y, v1, a1);
      y = spread1(x);
      b0 = dot(y, v0, b0); b1 = dot(y, v1, b1);
      y = spread2(x);
      c0 = dot(y, v0, c0); c1 = dot(y, v1, c1);
      y = spread3(x);
      d0 = dot(y, v0, d0); d1 = dot(y, v1, d1);
      w += 16;
      px += 16;
    } while (w < end);
    const s0 = v128.load(w), s1 = v128.load(w + far);
    let dx = v128.load32_splat(ps);
    A0 = madd(f32x4.mul(f32x4.convert_i32x4_s(a0), dx), s0, A0); A1 = madd(f32x4.mul(f32x4.convert_i32x4_s(a1), dx), s1, A1);
    dx = v128.load32_splat(ps, 4);
    B0 = madd(f32x4.mul(f32x4.convert_i32x4_s(b0), dx), s0, B0); B1 = madd(f32x4.mul(f32x4.convert_i32x4_s(b1), dx), s1, B1);
    dx = v128.load32_splat(ps, 8);
    C0 = madd(f32x4.mul(f32x4.convert_i32x4_s(c0), dx), s0, C0); C1 = madd(f32x4.mul(f32x4.convert_i32x4_s(c1), dx), s1, C1);
    dx = v128.load32_splat(ps, 12);
    D0 = madd(f32x4.mul(f32x4.convert_i32x4_s(d0), dx), s0, D0); D1 = madd(f32x4.mul(f32x4.convert_i32x4_s(d1), dx), s1, D1);
    w += 16;
    ps += 16;
  }
  storeRows(command, row, column, A0, A1);
  if (row + 1 < rows) storeRows(command, row + 1, column, B0, B1);
  if (row + 2 < rows) storeRows(command, row + 2, column, C0, C1);
  if (row + 3 < rows) storeRows(command, row + 3, column, D0, D1);
}

/**
 * Rows of an embedding by id, each by unpacking the 8 rows it is packed with.
 * Kernel arguments: 0 rows kind, 1 weights, 2 ids (i32), 3 output [rows, K], 4 K, 5 scratch, 6 scratch bytes per thread.
 */
@inline export function embedSigned<F>(command: usize, thread: i32, threads: i32): void {
  const f = changetype<F>(0);
  const rows = rowsOf(argument(command, 0));
  const columns = argument(command, 4);
  const blocks = columns / (32 * f.tiles());
  const scratch = address(command, 5) + <usize>thread * address(command, 6);
  let unpacked = -1;
  for (let t = shareFrom(rows, thread, threads); t < shareTo(rows, thread, threads); t++) {
    const id = load<i32>(address(command, 2) + (<usize>t << 2));
    const group = id >> 3;
    // all rows are taken in order where a product turns its weights over
    if (group != unpacked) unpack<F>(address(command, 1) + <usize>group * blocks * f.bytes(), blocks, scratch);
    unpacked = group;
    const lane: usize = id & 3;
    let from = scratch + <usize>((id >> 2) & 1) * <usize>(columns >> 5) * 272;
    const out = address(command, 3) + <usize>t * columns * 4;
    for (let k = 0; k < columns; k++) {
      const inside: usize = k & 31;
      const code = load<i16>(from + 16 * (inside >> 1) + 4 * lane + 2 * (inside & 1));
      store<f32>(out + 4 * k, load<f32>(from + 4 * lane, 256) * <f32>code);
      if (inside == 31) from += 272;
    }
  }
}

/** Bytes of 8 packed rows of `columns`. */
@inline export function groupBytesSigned<F>(columns: i32): i32 {
  const f = changetype<F>(0);
  return columns / (32 * f.tiles()) * <i32>f.bytes();
}

/** Bytes of the scratch that 8 unpacked rows need, or the sums of one token. */
export function scratchBytesSigned(columns: i32): i32 {
  return max(128, (columns >> 5) * 2 * 272);
}
