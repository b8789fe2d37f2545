/**
 * Matrix products with weights whose codes are small unsigned integers: value = scale · (code − bias) + minimum, with a
 * scale per group of 32 columns or of 16 (parts 1 or 2). A format F describes its packed super-block of 8 rows; the loops
 * here are shared by all of them.
 *
 * Activations (quantize8): int8 with one scale d per 32 columns, and a record per group.
 *   one token     codes [K], records of 3 words
 *   more tokens   tiles of 4: codes [K/4][4 tokens][4], records of 3 × 4 words, word by word
 *   record        d (f32), d·Σ (f32), lanes; lanes being two i16: the sums of the codes at columns 4i, 4i+1 and at 4i+2, 4i+3
 *
 * Codes are summed in i16, a lane taking two columns of every quad; d·Σ brings in the bias afterwards. Codes too large for
 * that start from −bias · lanes: what is left, Σ x·(code − bias), fits although the sums on the way may wrap
 * (|code − bias| ≤ 16 over 32 columns, ≤ 32 over 16).
 *
 * F's methods, all inlined: on the super-block d(half), m(half): f32 scales of 4 rows; on a tile of 32 columns
 * raw(i, half), low(n, i, half, first, second) and high(…): codes of quads i and i+4; scale(half, part, d) and
 * minimum(half, part, d, m); where a super-block has several tiles, the integers that those are made of, scales(part) and
 * floors(part), of 8 rows, i16; where codes are nibbles (nibbleVector.ts), tinyD(half, mask) and tinyM(half, mask): d and m
 * times 2^−112. Constants: bytes, head, tile, tiles, parts, bias, most (greatest code), minima (whether there is a minimum),
 * and first and second: vectors that low and high are handed.
 *
 * How the loops are written follows from what V8 makes of them (see LOG.md): their condition stands at the end, so that
 * constants are kept in registers; activations are spread by shuffles, not by loads; a half's products form one chain.
 * Products of one token are in files of their own: unsignedVector.ts and nibbleVector.ts.
 */
import { address, argument, claim, piecesOf, rowsOf, shareFrom, shareTo, wideTiles } from "./control";
import { dot, product } from "./dot";
import { isNibbles, nibbleVector } from "./nibbleVector";
import { held, spread0, spread1, spread2, spread3 } from "./simd";
import { storeRows } from "./store";
import { negated, scaled, shifted, started, wraps } from "./unsignedSums";
import { vector } from "./unsignedVector";

/** Bytes of a tile's sums, at the beginning of a thread's scratch: [8 tokens][8 rows] f32. */
const SUMS: usize = 256;

/**
 * Kernel arguments: 0 rows kind (T or R), 1 weights, 2 activation codes, 3 activation records, 4 output [rows, N],
 * 5 N, 6 K, 7 bias or 0, 8 residual [rows, N] or 0, 9 scratch, 10 scratch bytes per thread.
 */
@inline export function matmulUnsigned<F>(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  if (rows == 0) return;
  const groups = (argument(command, 5) + 7) >> 3;
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  const fours = (groups + 3) >> 2, pieces = piecesOf(fours, threads);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    const from = shareFrom(fours, piece, pieces) << 2, to = min(groups, shareTo(fours, piece, pieces) << 2);
    if (rows > 1) tiles<F>(command, from, to, scratch);
    else if (isNibbles<F>()) nibbleVector<F>(command, from, to, scratch);
    else vector<F>(command, from, to, scratch);
  }
}

/**
 * Unpacks 8 rows into scratch, where every format looks alike: by group of columns its quads, 4 rows × 4 columns of rows
 * 0–3, then of rows 4–7, then 8 scales and 8 minima (f32). [K/32][parts][256/parts + 64 bytes]
 */
function unpack<F>(w: usize, blocks: i32, to: usize): void {
  const f = changetype<F>(0);
  const first = held(f.first()), second = held(f.second());
  for (let block = 0; block < blocks; block++) {
    const d0 = changetype<F>(w).d(0);
    const d1 = changetype<F>(w).d(1);
    const m0 = changetype<F>(w).m(0);
    const m1 = changetype<F>(w).m(1);
    const end = w + f.bytes();
    w += f.head();
    do {
      unpackHalf<F>(w, to, 0, d0, m0, first, second);
      unpackHalf<F>(w, to + 16, 1, d1, m1, first, second);
      w += f.tile();
      to += 256 + 64 * f.parts();
    } while (w < end);
  }
}

@inline function unpackHalf<F>(w: usize, to: usize, half: i32, d: v128, m: v128, first: v128, second: v128): void {
  const t = changetype<F>(w);
  const far: usize = t.parts() == 2 ? 192 : 128;
  let n = t.raw(0, half);
  v128.store(to, t.low(n, 0, half, first, second));
  v128.store(to + far, t.high(n, 0, half, first, second));
  n = t.raw(1, half);
  v128.store(to + 32, t.low(n, 1, half, first, second));
  v128.store(to + far + 32, t.high(n, 1, half, first, second));
  n = t.raw(2, half);
  v128.store(to + 64, t.low(n, 2, half, first, second));
  v128.store(to + far + 64, t.high(n, 2, half, first, second));
  n = t.raw(3, half);
  v128.store(to + 96, t.low(n, 3, half, first, second));
  v128.store(to + far + 96, t.high(n, 3, half, first, second));
  to += 256 / t.parts();
  for (let part = 0; part < t.parts(); part++) {
    v128.store(to, t.scale(half, part, d));
    if (t.minima()) v128.store(to + 32, t.minimum(half, part, d, m));
    to += far;
  }
}

function tiles<F>(command: usize, from: i32, to: i32, scratch: usize): void {
  const f = changetype<F>(0);
  const columns = argument(command, 6);
  const blocks = columns / (32 * f.tiles());
  const rows = rowsOf(argument(command, 0));
  const far: usize = columns << 2, farRecords: usize = (columns >> 5) * 48 * f.parts();
  for (let group = from; group < to; group++) {
    unpack<F>(address(command, 1) + <usize>group * blocks * f.bytes(), blocks, scratch + SUMS);
    let px = address(command, 2);
    let pr = address(command, 3);
    for (let row = 0, count = 0; row < rows; row += count) {
      const wide = wideTiles() && row + 4 < rows;
      if (wide) wideTile<F>(scratch, px, far, pr, farRecords, (columns >> 5) * f.parts());
      else tile<F>(scratch, px, pr, (columns >> 5) * f.parts());
      count = min(wide ? 8 : 4, rows - row);
      for (let t = 0; t < count; t++) {
        const sums = scratch + 32 * <usize>t;
        storeRows(command, row + t, group << 3, v128.load(sums), v128.load(sums, 16));
      }
      px += wide ? 2 * far : far;
      pr += wide ? 2 * farRecords : farRecords;
    }
  }
}

/**
 * 8 unpacked rows × 4 tokens: a … d by token, of rows 0–3 and 4–7. Only the integer sums fit into registers beside their
 * operands; the f32 ones stay in scratch.
 */
function tile<F>(scratch: usize, px: usize, pr: usize, groups: i32): void {
  const f = changetype<F>(0);
  for (let i: usize = 0; i < SUMS / 2; i += 16) v128.store(scratch + i, f32x4.splat(0));
  const bias = negated<F>(f);
  let w = scratch + SUMS;
  do {
    const end = w + 256 / f.parts();
    let v0 = v128.load(w), v1 = v128.load(w, 16), x = v128.load(px);
    let y = spread0(x);
    let a0 = product(y, v0), a1 = product(y, v1);
    y = spread1(x);
    let b0 = product(y, v0), b1 = product(y, v1);
    y = spread2(x);
    let c0 = product(y, v0), c1 = product(y, v1);
    y = spread3(x);
    let d0 = product(y, v0), d1 = product(y, v1);
    w += 32;
    px += 16;
    do {
      v0 = v128.load(w); v1 = v128.load(w, 16);
      x = v128.load(px);
      y = spread0(x);
      a0 = dot(y, v0, a0); a1 = dot(y, v1, a1);
      y = spread1(x);
      b0 = dot(y, v0, b0); b1 = dot(y, v1, b1);
      y = spread2(x);
      c0 = dot(y, v0, c0); c1 = dot(y, v1, c1);
      y = spread3(x);
      d0 = dot(y, v0, d0); d1 = dot(y, v1, d1);
      w += 32;
      px += 16;
    } while (w < end);
    if (wraps<F>(f)) {
      const lanes = started(v128.load(pr, 32), bias);
      y = spread0(lanes);
      a0 = i16x8.add(a0, y); a1 = i16x8.add(a1, y);
      y = spread1(lanes);
      b0 = i16x8.add(b0, y); b1 = i16x8.add(b1, y);
      y = spread2(lanes);
      c0 = i16x8.add(c0, y); c1 = i16x8.add(c1, y);
      y = spread3(lanes);
      d0 = i16x8.add(d0, y); d1 = i16x8.add(d1, y);
    }
    const d = v128.load(pr), total = v128.load(pr, 16);
    const shift = shifted<F>(f, total, bias);
    addUp<F>(scratch, a0, a1, spread0(d), spread0(shift), spread0(total), w);
    addUp<F>(scratch + 32, b0, b1, spread1(d), spread1(shift), spread1(total), w);
    addUp<F>(scratch + 64, c0, c1, spread2(d), spread2(shift), spread2(total), w);
    addUp<F>(scratch + 96, d0, d1, spread3(d), spread3(shift), spread3(total), w);
    w += 64;
    pr += 48;
  } while (--groups);
}

/**
 * The same for 8 tokens, for machines with registers for twice as many sums; which of them has is measured (choose.ts).
 * @param far bytes from a token tile's codes to the next one's @param farRecords the same of records
 */
function wideTile<F>(scratch: usize, px: usize, far: usize, pr: usize, farRecords: usize, groups: i32): void {
  const f = changetype<F>(0);
  for (let i: usize = 0; i < SUMS; i += 16) v128.store(scratch + i, f32x4.splat(0));
  const bias = negated<F>(f);
  let w = scratch + SUMS;
  do {
    const end = w + 256 / f.parts();
    let v0 = v128.load(w), v1 = v128.load(w, 16), x = v128.load(px);
    let y = spread0(x);
    let a0 = product(y, v0), a1 = product(y, v1);
    y = spread1(x);
    let b0 = product(y, v0), b1 = product(y, v1);
    y = spread2(x);
    let c0 = product(y, v0), c1 = product(y, v1);
    y = spread3(x);
    let d0 = product(y, v0), d1 = product(y, v1);
    x = v128.load(px + far);
    y = spread0(x);
    let e0 = product(y, v0), e1 = product(y, v1);
    y = spread1(x);
    let f0 = product(y, v0), f1 = product(y, v1);
    y = spread2(x);
    let g0 = product(y, v0), g1 = product(y, v1);
    y = spread3(x);
    let h0 = product(y, v0), h1 = product(y, v1);
    w += 32;
    px += 16;
    do {
      v0 = v128.load(w); v1 = v128.load(w, 16); x = v128.load(px);
      y = spread0(x);
      a0 = dot(y, v0, a0); a1 = dot(y, v1, a1);
      y = spread1(x);
      b0 = dot(y, v0, b0); b1 = dot(y, v1, b1);
      y = spread2(x);
      c0 = dot(y, v0, c0); c1 = dot(y, v1, c1);
      y = spread3(x);
      d0 = dot(y, v0, d0); d1 = dot(y, v1, d1);
      x = v128.load(px + far);
      y = spread0(x);
      e0 = dot(y, v0, e0); e1 = dot(y, v1, e1);
      y = spread1(x);
      f0 = dot(y, v0, f0); f1 = dot(y, v1, f1);
      y = spread2(x);
      g0 = dot(y, v0, g0); g1 = dot(y, v1, g1);
      y = spread3(x);
      h0 = dot(y, v0, h0); h1 = dot(y, v1, h1);
      w += 32;
      px += 16;
    } while (w < end);
    if (wraps<F>(f)) {
      const lanes = started(v128.load(pr, 32), bias);
      y = spread0(lanes);
      a0 = i16x8.add(a0, y); a1 = i16x8.add(a1, y);
      y = spread1(lanes);
      b0 = i16x8.add(b0, y); b1 = i16x8.add(b1, y);
      y = spread2(lanes);
      c0 = i16x8.add(c0, y); c1 = i16x8.add(c1, y);
      y = spread3(lanes);
      d0 = i16x8.add(d0, y); d1 = i16x8.add(d1, y);
      const more = started(v128.load(pr + farRecords, 32), bias);
      y = spread0(more);
      e0 = i16x8.add(e0, y); e1 = i16x8.add(e1, y);
      y = spread1(more);
      f0 = i16x8.add(f0, y); f1 = i16x8.add(f1, y);
      y = spread2(more);
      g0 = i16x8.add(g0, y); g1 = i16x8.add(g1, y);
      y = spread3(more);
      h0 = i16x8.add(h0, y); h1 = i16x8.add(h1, y);
    }
    let d = v128.load(pr), total = v128.load(pr, 16);
    let shift = shifted<F>(f, total, bias);
    addUp<F>(scratch, a0, a1, spread0(d), spread0(shift), spread0(total), w);
    addUp<F>(scratch + 32, b0, b1, spread1(d), spread1(shift), spread1(total), w);
    addUp<F>(scratch + 64, c0, c1, spread2(d), spread2(shift), spread2(total), w);
    addUp<F>(scratch + 96, d0, d1, spread3(d), spread3(shift), spread3(total), w);
    d = v128.load(pr + farRecords);
    total = v128.load(pr + farRecords, 16);
    shift = shifted<F>(f, total, bias);
    addUp<F>(scratch + 128, e0, e1, spread0(d), spread0(shift), spread0(total), w);
    addUp<F>(scratch + 160, f0, f1, spread1(d), spread1(shift), spread1(total), w);
    addUp<F>(scratch + 192, g0, g1, spread2(d), spread2(shift), spread2(total), w);
    addUp<F>(scratch + 224, h0, h1, spread3(d), spread3(shift), spread3(total), w);
    w += 64;
    pr += 48;
  } while (--groups);
}

/** Adds a token's sums of one group. @param w scales and minima of the 8 rows */
@inline function addUp<F>(sums: usize, low: v128, high: v128, d: v128, shift: v128, total: v128, w: usize): void {
  const f = changetype<F>(0);
  v128.store(sums, scaled<F>(f, low, d, shift, v128.load(w), total, v128.load(w, 32), v128.load(sums)));
  v128.store(sums, scaled<F>(f, high, d, shift, v128.load(w, 16), total, v128.load(w, 48), v128.load(sums, 16)), 16);
}

/**
 * Rows of an embedding by id, each by unpacking the 8 rows it is packed with.
 * Kernel arguments: 0 rows kind, 1 weights, 2 ids (i32), 3 output [rows, K], 4 K, 5 scratch, 6 scratch bytes per thread.
 */
@inline export function embedUnsigned<F>(command: usize, thread: i32, threads: i32): void {
  const f = changetype<F>(0);
  const rows = rowsOf(argument(command, 0));
  const columns = argument(command, 4);
  const blocks = columns / (32 * f.tiles());
  const scratch = address(command, 5) + <usize>thread * address(command, 6);
  const stride: usize = 256 / f.parts() + 64;
  let unpacked = -1;
  for (let t = shareFrom(rows, thread, threads); t < shareTo(rows, thread, threads); t++) {
    const id = load<i32>(address(command, 2) + (<usize>t << 2));
    const group = id >> 3;
    // all rows are taken in order where a product turns its weights over
    if (group != unpacked) unpack<F>(address(command, 1) + <usize>group * blocks * f.bytes(), blocks, scratch);
    unpacked = group;
    const row: usize = id & 7;
    let from = scratch;
    let out = address(command, 3) + <usize>t * columns * 4;
    for (let column = 0; column < columns; column += 32 / f.parts()) {
      const scales = from + 256 / f.parts() + 4 * row;
      const scale = load<f32>(scales), minimum: f32 = f.minima() ? load<f32>(scales, 32) : 0;
      for (let k: usize = 0; k < <usize>(32 / f.parts()); k++) {
        const code = <i32>load<u8>(from + 32 * (k >> 2) + 4 * row + (k & 3)) - f.bias();
        store<f32>(out, scale * <f32>code + minimum);
        out += 4;
      }
      from += stride;
    }
  }
}

/** Bytes of 8 packed rows of `columns`. */
@inline export function groupBytesUnsigned<F>(columns: i32): i32 {
  const f = changetype<F>(0);
  return columns / (32 * f.tiles()) * <i32>f.bytes();
}

/** Bytes of the scratch that 8 unpacked rows and a tile's sums need; one token's sums (VECTOR_SUMS) need less. */
@inline export function scratchBytesUnsigned<F>(columns: i32): i32 {
  return <i32>SUMS + (columns >> 5) * (256 + 64 * changetype<F>(0).parts());
}
