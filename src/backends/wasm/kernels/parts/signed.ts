/**
 * Matrix products with weights whose codes need all of a signed byte: value = scale · code, per 32 columns. A format F
 * describes its packed super-block of 8 rows; the loops here are shared by all of them.
 *
 * Activations (quantize.ts): int16 with one scale d per 32 columns; consecutive columns are multiplied in pairs.
 *   one token     codes [K], scales [K/32]
 *   more tokens   tiles of 4: codes [K/2][4 tokens][2], scales [K/32][4 tokens]
 *
 * F's methods, all inlined: on the super-block d(half): f32 scales of 4 rows; on a tile of 32 columns scale(half, d) if
 * parts is 1, or, if it is 2, scales(part): integers by which the codes of 8 rows and 16 columns are multiplied, i16;
 * raw(i, half), and codes(n, i, half, upper, first, second): 16 signed bytes, quad i (upper 0) or i+4 (upper 1) of 4 rows,
 * crossed (planes.ts). Constants: bytes, head, tile, tiles, parts, and first and second: vectors that codes is handed.
 *
 * Columns 0 and 2 of a quad stand in one word, 1 and 3 in the next: the even bytes widened to i16 are columns 0 and 1 of
 * 4 rows, the odd ones 2 and 3. Either takes one instruction of arithmetic; instructions that widen half a vector would
 * wait for the one port of x86 that moves bytes about.
 */
import { address, argument, claim, claimRun, oneStream, piecesOf, rowsOf, runEnd, shareFrom, shareTo } from "./control";
import { startsIn16 } from "./dot";
import { held, madd, spread0, spread1, spread2, spread3 } from "./simd";
import { storeRows } from "./store";

/** Constant operand of `even`. Keep it in a register with `held` (simd.ts). */
@inline function evens(): v128 { return i16x8.splat(1); }

/** Columns 0 and 1 of crossed quads, as i16. */
@inline function even(v: v128, ones: v128): v128 {
  // on x86 one product, of the odd bytes with 0; elsewhere products are slower than shifts
  if (ASC_FEATURE_RELAXED_SIMD && startsIn16()) return i16x8.relaxed_dot_i8x16_i7x16_s(v, ones);
  return i16x8.shr_s(i16x8.shl(v, 8), 8);
}

/** Columns 2 and 3. */
@inline function odd(v: v128): v128 { return i16x8.shr_s(v, 8); }

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
  const fours = (groups + 3) >> 2;
  for (let four = claimRun(command, fours, threads); four >= 0; four = claimRun(command, fours, threads)) {
    const from = four << 2, to = min(groups, runEnd(four, fours, threads) << 2);
    if (rows > 1) tiles<F>(command, from, to, scratch);
    else if (oneStream()) vectorInTurn<F>(command, from, to, scratch);
    else vector<F>(command, from, to, scratch);
  }
}

/**
 * Multiplies four groups at once: while the loads of one group wait for a new page of memory, those of the others go on.
 * Sums are kept in scratch, because each store keeps V8 from hoisting the following loads and spilling registers.
 */
function vector<F>(command: usize, from: i32, to: i32, sums: usize): void { multiply<F>(command, from, to, sums, true); }

/** Multiplies one group after another: see oneStream in control.ts. */
function vectorInTurn<F>(command: usize, from: i32, to: i32, sums: usize): void { multiply<F>(command, from, to, sums, false); }

@inline function multiply<F>(command: usize, from: i32, to: i32, sums: usize, four: bool): void {
  const f = changetype<F>(0);
  const bytes = <usize>(argument(command, 6) / (32 * f.tiles())) * f.bytes();
  const first = held(f.first()), second = held(f.second()), ones = held(evens());
  for (let group = from; group < to; group += four ? 4 : 1) {
    let w = address(command, 1) + <usize>group * bytes;
    // groups beyond the last are the first again
    const o1 = group + 1 < to ? bytes : 0, o2 = group + 2 < to ? 2 * bytes : 0, o3 = group + 3 < to ? 3 * bytes : 0;
    let px = address(command, 2);
    let ps = address(command, 3);
    const bytesOfSums: usize = four ? 128 : 32;
    for (let i: usize = 0; i < bytesOfSums; i += 16) v128.store(sums + i, f32x4.splat(0));
    const last = w + bytes;
    do {
      const a = changetype<F>(w), b = changetype<F>(w + o1), c = changetype<F>(w + o2), e = changetype<F>(w + o3);
      const d0 = a.d(0), d1 = a.d(1), d2 = b.d(0), d3 = b.d(1), d4 = c.d(0), d5 = c.d(1), d6 = e.d(0), d7 = e.d(1);
      const end = w + f.bytes();
      w += f.head();
      do {
        anyBlock<F>(w, px, ps, d0, d1, first, second, ones, sums);
        if (four) {
          anyBlock<F>(w + o1, px, ps, d2, d3, first, second, ones, sums + 32);
          anyBlock<F>(w + o2, px, ps, d4, d5, first, second, ones, sums + 64);
          anyBlock<F>(w + o3, px, ps, d6, d7, first, second, ones, sums + 96);
        }
        w += f.tiles() == 1 ? f.bytes() : f.tile();
        px += 64;
        ps += 4;
      } while (f.tiles() > 1 && w < end);
    } while (w < last);
    const count = four ? min(4, to - group) : 1;
    for (let i = 0; i < count; i++)
      storeRows(command, 0, (group + i) << 3, v128.load(sums + 32 * i), v128.load(sums + 32 * i, 16));
  }
}

@inline function anyBlock<F>(w: usize, px: usize, ps: usize, d0: v128, d1: v128, first: v128, second: v128, ones: v128, sums: usize): void {
  if (changetype<F>(0).parts() == 1) block<F>(w, px, ps, d0, d1, first, second, ones, sums);
  else scaledBlock<F>(w, px, ps, d0, d1, first, second, ones, sums);
}

/**
 * 8 rows × 32 columns: sums a of rows 0–3, b of rows 4–7. The stores in between only keep V8 from hoisting the following
 * loads.
 */
@inline function block<F>(w: usize, px: usize, ps: usize, d0: v128, d1: v128, first: v128, second: v128, ones: v128, sums: usize): void {
  let a = i32x4.splat(0), b = a;
  let x = v128.load(px), y = v128.load(px, 32);
  let x0 = spread0(x), x1 = spread1(x), y0 = spread0(y), y1 = spread1(y);
  a = quads<F>(w, 0, 0, x0, x1, y0, y1, first, second, ones, a);
  b = quads<F>(w, 0, 1, x0, x1, y0, y1, first, second, ones, b);
  v128.store(sums, a, 128);
  v128.store(sums, b, 144);
  x0 = spread2(x); x1 = spread3(x); y0 = spread2(y); y1 = spread3(y);
  a = quads<F>(w, 1, 0, x0, x1, y0, y1, first, second, ones, a);
  b = quads<F>(w, 1, 1, x0, x1, y0, y1, first, second, ones, b);
  v128.store(sums, a, 128);
  v128.store(sums, b, 144);
  x = v128.load(px, 16); y = v128.load(px, 48);
  x0 = spread0(x); x1 = spread1(x); y0 = spread0(y); y1 = spread1(y);
  a = quads<F>(w, 2, 0, x0, x1, y0, y1, first, second, ones, a);
  b = quads<F>(w, 2, 1, x0, x1, y0, y1, first, second, ones, b);
  v128.store(sums, a, 128);
  v128.store(sums, b, 144);
  x0 = spread2(x); x1 = spread3(x); y0 = spread2(y); y1 = spread3(y);
  a = quads<F>(w, 3, 0, x0, x1, y0, y1, first, second, ones, a);
  b = quads<F>(w, 3, 1, x0, x1, y0, y1, first, second, ones, b);
  const t = changetype<F>(w);
  const dx = v128.load32_splat(ps);
  v128.store(sums, madd(f32x4.mul(f32x4.convert_i32x4_s(a), dx), t.scale(0, d0), v128.load(sums)));
  v128.store(sums, madd(f32x4.mul(f32x4.convert_i32x4_s(b), dx), t.scale(1, d1), v128.load(sums, 16)), 16);
}

/** The same where each half of the columns has an integer scale. Codes times scales times activations stay within i32. */
@inline function scaledBlock<F>(w: usize, px: usize, ps: usize, d0: v128, d1: v128, first: v128, second: v128, ones: v128, sums: usize): void {
  const t = changetype<F>(w);
  const dx = v128.load32_splat(ps), s0 = t.scales(0), s1 = t.scales(1);
  let a = i32x4.mul(halfSum<F>(w, 0, 0, px, first, second, ones, sums), i32x4.extend_low_i16x8_s(s0));
  a = i32x4.add(a, i32x4.mul(halfSum<F>(w, 0, 1, px + 32, first, second, ones, sums), i32x4.extend_low_i16x8_s(s1)));
  v128.store(sums, madd(f32x4.mul(f32x4.convert_i32x4_s(a), dx), d0, v128.load(sums)));
  a = i32x4.mul(halfSum<F>(w, 1, 0, px, first, second, ones, sums), i32x4.extend_high_i16x8_s(s0));
  a = i32x4.add(a, i32x4.mul(halfSum<F>(w, 1, 1, px + 32, first, second, ones, sums), i32x4.extend_high_i16x8_s(s1)));
  v128.store(sums, madd(f32x4.mul(f32x4.convert_i32x4_s(a), dx), d1, v128.load(sums, 16)), 16);
}

/** 4 rows × 16 columns. */
@inline function halfSum<F>(w: usize, half: i32, upper: i32, px: usize, first: v128, second: v128, ones: v128, sums: usize): v128 {
  const t = changetype<F>(w);
  let v = t.codes(t.raw(0, half), 0, half, upper, first, second);
  let sum = dot(odd(v), v128.load32_splat(px, 4), i32x4.dot_i16x8_s(even(v, ones), v128.load32_splat(px)));
  v = t.codes(t.raw(1, half), 1, half, upper, first, second);
  sum = dot(odd(v), v128.load32_splat(px, 12), dot(even(v, ones), v128.load32_splat(px, 8), sum));
  v128.store(sums, sum, 128);
  v = t.codes(t.raw(2, half), 2, half, upper, first, second);
  sum = dot(odd(v), v128.load32_splat(px, 20), dot(even(v, ones), v128.load32_splat(px, 16), sum));
  v = t.codes(t.raw(3, half), 3, half, upper, first, second);
  return dot(odd(v), v128.load32_splat(px, 28), dot(even(v, ones), v128.load32_splat(px, 24), sum));
}

/** sum + 4 rows × quads i, with activations x0, x1, and i+4, with y0, y1; the first quads begin the sum. */
@inline function quads<F>(
  w: usize, i: i32, half: i32, x0: v128, x1: v128, y0: v128, y1: v128, first: v128, second: v128, ones: v128, sum: v128,
): v128 {
  const t = changetype<F>(w);
  const n = t.raw(i, half);
  let v = t.codes(n, i, half, 0, first, second);
  sum = i == 0 ? i32x4.dot_i16x8_s(even(v, ones), x0) : dot(even(v, ones), x0, sum);
  sum = dot(odd(v), x1, sum);
  v = t.codes(n, i, half, 1, first, second);
  return dot(odd(v), y1, dot(even(v, ones), y0, sum));
}

/** Unpacks 8 rows into scratch: per 32 columns and half 16 vectors of pairs (i16), then 4 scales (f32). [half][K/32][272 bytes] */
function unpack<F>(w: usize, blocks: i32, to: usize): void {
  const f = changetype<F>(0);
  const far = <usize>blocks * f.tiles() * 272;
  const first = held(f.first()), second = held(f.second()), ones = held(evens());
  for (let block = 0; block < blocks; block++) {
    const d0 = changetype<F>(w).d(0);
    const d1 = changetype<F>(w).d(1);
    const end = w + f.bytes();
    w += f.head();
    do {
      unpackHalf<F>(w, to, 0, d0, first, second, ones);
      unpackHalf<F>(w, to + far, 1, d1, first, second, ones);
      w += f.tile();
      to += 272;
    } while (w < end);
  }
}

@inline function unpackHalf<F>(w: usize, to: usize, half: i32, d: v128, first: v128, second: v128, ones: v128): void {
  unpackQuads<F>(w, to, 0, half, first, second, ones);
  unpackQuads<F>(w, to + 32, 1, half, first, second, ones);
  unpackQuads<F>(w, to + 64, 2, half, first, second, ones);
  unpackQuads<F>(w, to + 96, 3, half, first, second, ones);
  if (changetype<F>(0).parts() == 1) {
    v128.store(to, changetype<F>(w).scale(half, d), 256);
    return;
  }
  v128.store(to, d, 256);
  scaleCodes(to, half, changetype<F>(w).scales(0));
  scaleCodes(to + 128, half, changetype<F>(w).scales(1));
}

/** Multiplies 4 rows × 16 unpacked codes. @param scales of 8 rows, i16 */
@inline function scaleCodes(to: usize, half: i32, scales: v128): void {
  const twice = half == 0 ? v128.shuffle<i16>(scales, scales, 0, 0, 1, 1, 2, 2, 3, 3) : v128.shuffle<i16>(scales, scales, 4, 4, 5, 5, 6, 6, 7, 7);
  for (const end = to + 128; to < end; to += 16) v128.store(to, i16x8.mul(v128.load(to), twice));
}

@inline function unpackQuads<F>(w: usize, to: usize, i: i32, half: i32, first: v128, second: v128, ones: v128): void {
  const t = changetype<F>(w);
  const n = t.raw(i, half);
  let v = t.codes(n, i, half, 0, first, second);
  v128.store(to, even(v, ones));
  v128.store(to, odd(v), 16);
  v = t.codes(n, i, half, 1, first, second);
  v128.store(to, even(v, ones), 128);
  v128.store(to, odd(v), 144);
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
      if (rows - row > 2) tile(command, scratch, px, ps, row, rows, group << 3);
      else pairTile(command, scratch, px, ps, row, rows, group << 3);
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

/** 8 unpacked rows × 2 tokens, the first two of their tile; `row` may be the last one. */
function pairTile(command: usize, w: usize, px: usize, ps: usize, row: i32, rows: i32, column: i32): void {
  const blocks = argument(command, 6) >> 5;
  const far = <usize>blocks * 272;
  let A0 = f32x4.splat(0), A1 = A0, B0 = A0, B1 = A0;
  for (let block = 0; block < blocks; block++) {
    let a0 = i32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
    const end = w + 256;
    do {
      const v0 = v128.load(w), v1 = v128.load(w + far), x = v128.load(px);
      let y = spread0(x);
      a0 = dot(y, v0, a0); a1 = dot(y, v1, a1);
      y = spread1(x);
      b0 = dot(y, v0, b0); b1 = dot(y, v1, b1);
      w += 16;
      px += 16;
    } while (w < end);
    const s0 = v128.load(w), s1 = v128.load(w + far);
    let dx = v128.load32_splat(ps);
    A0 = madd(f32x4.mul(f32x4.convert_i32x4_s(a0), dx), s0, A0); A1 = madd(f32x4.mul(f32x4.convert_i32x4_s(a1), dx), s1, A1);
    dx = v128.load32_splat(ps, 4);
    B0 = madd(f32x4.mul(f32x4.convert_i32x4_s(b0), dx), s0, B0); B1 = madd(f32x4.mul(f32x4.convert_i32x4_s(b1), dx), s1, B1);
    w += 16;
    ps += 16;
  }
  storeRows(command, row, column, A0, A1);
  if (row + 1 < rows) storeRows(command, row + 1, column, B0, B1);
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

/** Bytes of the scratch that 8 unpacked rows need; the sums of one token, 160, are fewer. */
export function scratchBytesSigned(columns: i32): i32 {
  return (columns >> 5) * 2 * 272;
}
