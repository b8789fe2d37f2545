/**
 * Matrix products with weights whose codes are small unsigned integers: value = scale · code + minimum, per 32 or 16
 * columns. A format F describes its packed super-block of 8 rows; the loops here are shared by all of them.
 *
 * Activations (quantize.ts): int8 with one scale d per 32 columns.
 *   one token     codes [K], then per 32 columns 4 × f32: d, d·Σ, d·Σ of columns 0–15, d·Σ of columns 16–31
 *   more tokens   tiles of 4: codes [K/4][4 tokens][4], sums [K/32][4 tokens][4 × f32]
 *
 * F's methods, all inlined: on the super-block d(half), m(half): f32 scales of 4 rows; on a tile of 32 columns
 * raw(i, half), low(n, i, half) and high(n, i, half): codes of quads i and i+4; scale(half, part, d) and
 * minimum(half, part, m). Constants: bytes, head, tile, tiles, limit (dots whose i16 sum cannot overflow: 8, 4, 2),
 * parts (scales per 32 columns), bias (code that stands for 0), minima (whether minimum() adds something).
 */
import { address, argument, rowsOf, shareFrom, shareTo } from "./control";
import { dot, widen, widen2 } from "./dot";
import { madd } from "./simd";
import { storeRows } from "./store";

@inline function widened<F>(f: F, a: v128, b: v128): v128 {
  if (f.limit() == 8) return widen2(a, b);
  return i32x4.add(widen(a), widen(b));
}

/**
 * Kernel arguments: 0 rows kind (T or R), 1 weights, 2 activation codes, 3 activation sums, 4 output [rows, N],
 * 5 N, 6 K, 7 bias or 0, 8 residual [rows, N] or 0, 9 scratch, 10 scratch bytes per thread.
 */
@inline export function matmulUnsigned<F>(command: usize, thread: i32, threads: i32): void {
  const groups = (argument(command, 5) + 7) >> 3;
  const from = shareFrom(groups, thread, threads);
  const to = shareTo(groups, thread, threads);
  const rows = rowsOf(argument(command, 0));
  if (rows == 1) vector<F>(command, from, to);
  else if (rows > 1) tiles<F>(command, from, to, address(command, 9) + <usize>thread * address(command, 10));
}

function vector<F>(command: usize, from: i32, to: i32): void {
  const f = changetype<F>(0);
  const blocks = argument(command, 6) / (32 * f.tiles());
  let w = address(command, 1) + <usize>from * blocks * f.bytes();
  for (let group = from; group < to; group++) {
    let px = address(command, 2);
    let ps = address(command, 3);
    let acc0 = f32x4.splat(0);
    let acc1 = f32x4.splat(0);
    for (let block = 0; block < blocks; block++) {
      const d0 = changetype<F>(w).d(0);
      const d1 = changetype<F>(w).d(1);
      const m0 = changetype<F>(w).m(0);
      const m1 = changetype<F>(w).m(1);
      const end = w + f.bytes();
      w += f.head();
      do {
        const t = changetype<F>(w);
        let a0 = i16x8.splat(0), a1 = a0, b0 = a0, b1 = a0;
        let A0 = a0, A1 = a0, B0 = a0, B1 = a0;
        let xa = v128.load32_splat(px), xb = v128.load32_splat(px, 16);
        let n = t.raw(0, 0);
        a0 = dot(xa, t.low(n, 0, 0), a0); b0 = dot(xb, t.high(n, 0, 0), b0);
        n = t.raw(0, 1);
        a1 = dot(xa, t.low(n, 0, 1), a1); b1 = dot(xb, t.high(n, 0, 1), b1);
        xa = v128.load32_splat(px, 4); xb = v128.load32_splat(px, 20);
        n = t.raw(1, 0);
        a0 = dot(xa, t.low(n, 1, 0), a0); b0 = dot(xb, t.high(n, 1, 0), b0);
        n = t.raw(1, 1);
        a1 = dot(xa, t.low(n, 1, 1), a1); b1 = dot(xb, t.high(n, 1, 1), b1);
        if (f.limit() == 2) {
          A0 = widen(a0); A1 = widen(a1); B0 = widen(b0); B1 = widen(b1);
          a0 = i16x8.splat(0); a1 = a0; b0 = a0; b1 = a0;
        }
        xa = v128.load32_splat(px, 8); xb = v128.load32_splat(px, 24);
        n = t.raw(2, 0);
        a0 = dot(xa, t.low(n, 2, 0), a0); b0 = dot(xb, t.high(n, 2, 0), b0);
        n = t.raw(2, 1);
        a1 = dot(xa, t.low(n, 2, 1), a1); b1 = dot(xb, t.high(n, 2, 1), b1);
        xa = v128.load32_splat(px, 12); xb = v128.load32_splat(px, 28);
        n = t.raw(3, 0);
        a0 = dot(xa, t.low(n, 3, 0), a0); b0 = dot(xb, t.high(n, 3, 0), b0);
        n = t.raw(3, 1);
        a1 = dot(xa, t.low(n, 3, 1), a1); b1 = dot(xb, t.high(n, 3, 1), b1);
        const dx = v128.load32_splat(ps);
        if (f.parts() == 2) {
          A0 = f.limit() == 2 ? i32x4.add(A0, widen(a0)) : widen(a0);
          A1 = f.limit() == 2 ? i32x4.add(A1, widen(a1)) : widen(a1);
          B0 = f.limit() == 2 ? i32x4.add(B0, widen(b0)) : widen(b0);
          B1 = f.limit() == 2 ? i32x4.add(B1, widen(b1)) : widen(b1);
          const sa = v128.load32_splat(ps, 8), sb = v128.load32_splat(ps, 12);
          let ta0 = f32x4.mul(f32x4.convert_i32x4_s(A0), dx), ta1 = f32x4.mul(f32x4.convert_i32x4_s(A1), dx);
          let tb0 = f32x4.mul(f32x4.convert_i32x4_s(B0), dx), tb1 = f32x4.mul(f32x4.convert_i32x4_s(B1), dx);
          if (f.bias() != 0) {
            const bias = f32x4.splat(<f32>-f.bias());
            const ba = f32x4.mul(sa, bias), bb = f32x4.mul(sb, bias);
            ta0 = f32x4.add(ta0, ba); ta1 = f32x4.add(ta1, ba);
            tb0 = f32x4.add(tb0, bb); tb1 = f32x4.add(tb1, bb);
          }
          acc0 = madd(ta0, t.scale(0, 0, d0), madd(tb0, t.scale(0, 1, d0), acc0));
          acc1 = madd(ta1, t.scale(1, 0, d1), madd(tb1, t.scale(1, 1, d1), acc1));
          if (f.minima()) {
            acc0 = madd(sa, t.minimum(0, 0, m0), madd(sb, t.minimum(0, 1, m0), acc0));
            acc1 = madd(sa, t.minimum(1, 0, m1), madd(sb, t.minimum(1, 1, m1), acc1));
          }
        } else {
          const s = v128.load32_splat(ps, 4);
          let t0 = f32x4.convert_i32x4_s(widened<F>(f, a0, b0));
          let t1 = f32x4.convert_i32x4_s(widened<F>(f, a1, b1));
          if (f.bias() != 0) {
            const bias = f32x4.mul(s, f32x4.splat(<f32>-f.bias()));
            t0 = madd(t0, dx, bias);
            t1 = madd(t1, dx, bias);
          } else {
            t0 = f32x4.mul(t0, dx);
            t1 = f32x4.mul(t1, dx);
          }
          acc0 = madd(t0, t.scale(0, 0, d0), acc0);
          acc1 = madd(t1, t.scale(1, 0, d1), acc1);
          if (f.minima()) {
            acc0 = madd(s, t.minimum(0, 0, m0), acc0);
            acc1 = madd(s, t.minimum(1, 0, m1), acc1);
          }
        }
        w += f.tile();
        px += 32;
        ps += 16;
      } while (w < end);
    }
    storeRows(command, 0, group << 3, acc0, acc1);
  }
}

/**
 * Unpacks 8 rows into scratch, where every format looks alike: per 32 columns and half 8 vectors of codes, then per
 * part 4 scales and 4 minima (f32). [half][K/32][128 + 32·parts bytes]
 */
function unpack<F>(w: usize, blocks: i32, to: usize): void {
  const f = changetype<F>(0);
  const stride: usize = 128 + 32 * f.parts();
  const far = <usize>blocks * f.tiles() * stride;
  for (let block = 0; block < blocks; block++) {
    const d0 = changetype<F>(w).d(0);
    const d1 = changetype<F>(w).d(1);
    const m0 = changetype<F>(w).m(0);
    const m1 = changetype<F>(w).m(1);
    const end = w + f.bytes();
    w += f.head();
    do {
      unpackHalf<F>(w, to, 0, d0, m0);
      unpackHalf<F>(w, to + far, 1, d1, m1);
      w += f.tile();
      to += stride;
    } while (w < end);
  }
}

@inline function unpackHalf<F>(w: usize, to: usize, half: i32, d: v128, m: v128): void {
  const t = changetype<F>(w);
  let n = t.raw(0, half);
  v128.store(to, t.low(n, 0, half));
  v128.store(to, t.high(n, 0, half), 64);
  n = t.raw(1, half);
  v128.store(to, t.low(n, 1, half), 16);
  v128.store(to, t.high(n, 1, half), 80);
  n = t.raw(2, half);
  v128.store(to, t.low(n, 2, half), 32);
  v128.store(to, t.high(n, 2, half), 96);
  n = t.raw(3, half);
  v128.store(to, t.low(n, 3, half), 48);
  v128.store(to, t.high(n, 3, half), 112);
  for (let part = 0; part < t.parts(); part++) {
    const scale = t.scale(half, part, d);
    v128.store(to + 32 * part, scale, 128);
    if (t.bias() != 0) v128.store(to + 32 * part, f32x4.mul(scale, f32x4.splat(<f32>-t.bias())), 144);
    else if (t.minima()) v128.store(to + 32 * part, t.minimum(half, part, m), 144);
    else v128.store(to + 32 * part, f32x4.splat(0), 144);
  }
}

function tiles<F>(command: usize, from: i32, to: i32, scratch: usize): void {
  const f = changetype<F>(0);
  const columns = argument(command, 6);
  const blocks = columns / (32 * f.tiles());
  const rows = rowsOf(argument(command, 0));
  const far = <usize>(columns >> 5) * (128 + 32 * f.parts());
  for (let group = from; group < to; group++) {
    unpack<F>(address(command, 1) + <usize>group * blocks * f.bytes(), blocks, scratch);
    let px = address(command, 2);
    let ps = address(command, 3);
    for (let row = 0; row < rows; row += 4) {
      tile<F>(scratch, px, ps, columns >> 5);
      const x0 = R0, x1 = R1, x2 = R2, x3 = R3;
      tile<F>(scratch + far, px, ps, columns >> 5);
      storeRows(command, row, group << 3, x0, R0);
      if (row + 1 < rows) storeRows(command, row + 1, group << 3, x1, R1);
      if (row + 2 < rows) storeRows(command, row + 2, group << 3, x2, R2);
      if (row + 3 < rows) storeRows(command, row + 3, group << 3, x3, R3);
      px += columns << 2;
      ps += columns << 1;
    }
  }
}

/** Results of `tile`, 4 rows of weights by token: globals, as a function returns one value. */
let R0: v128 = f32x4.splat(0);
let R1: v128 = f32x4.splat(0);
let R2: v128 = f32x4.splat(0);
let R3: v128 = f32x4.splat(0);

/** 4 unpacked rows × 4 tokens. */
function tile<F>(w: usize, px: usize, ps: usize, blocks: i32): void {
  const f = changetype<F>(0);
  let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0;
  for (let block = 0; block < blocks; block++) {
    if (f.parts() == 1) {
      let i0 = i16x8.splat(0), i1 = i0, i2 = i0, i3 = i0;
      let v = v128.load(w);
      i0 = dot(v128.load32_splat(px), v, i0); i1 = dot(v128.load32_splat(px, 4), v, i1);
      i2 = dot(v128.load32_splat(px, 8), v, i2); i3 = dot(v128.load32_splat(px, 12), v, i3);
      v = v128.load(w, 16);
      i0 = dot(v128.load32_splat(px, 16), v, i0); i1 = dot(v128.load32_splat(px, 20), v, i1);
      i2 = dot(v128.load32_splat(px, 24), v, i2); i3 = dot(v128.load32_splat(px, 28), v, i3);
      v = v128.load(w, 32);
      i0 = dot(v128.load32_splat(px, 32), v, i0); i1 = dot(v128.load32_splat(px, 36), v, i1);
      i2 = dot(v128.load32_splat(px, 40), v, i2); i3 = dot(v128.load32_splat(px, 44), v, i3);
      v = v128.load(w, 48);
      i0 = dot(v128.load32_splat(px, 48), v, i0); i1 = dot(v128.load32_splat(px, 52), v, i1);
      i2 = dot(v128.load32_splat(px, 56), v, i2); i3 = dot(v128.load32_splat(px, 60), v, i3);
      let j0 = i16x8.splat(0), j1 = j0, j2 = j0, j3 = j0;
      if (f.limit() < 8) {
        j0 = widen(i0); j1 = widen(i1); j2 = widen(i2); j3 = widen(i3);
        i0 = i16x8.splat(0); i1 = i0; i2 = i0; i3 = i0;
      }
      v = v128.load(w, 64);
      i0 = dot(v128.load32_splat(px, 64), v, i0); i1 = dot(v128.load32_splat(px, 68), v, i1);
      i2 = dot(v128.load32_splat(px, 72), v, i2); i3 = dot(v128.load32_splat(px, 76), v, i3);
      v = v128.load(w, 80);
      i0 = dot(v128.load32_splat(px, 80), v, i0); i1 = dot(v128.load32_splat(px, 84), v, i1);
      i2 = dot(v128.load32_splat(px, 88), v, i2); i3 = dot(v128.load32_splat(px, 92), v, i3);
      v = v128.load(w, 96);
      i0 = dot(v128.load32_splat(px, 96), v, i0); i1 = dot(v128.load32_splat(px, 100), v, i1);
      i2 = dot(v128.load32_splat(px, 104), v, i2); i3 = dot(v128.load32_splat(px, 108), v, i3);
      v = v128.load(w, 112);
      i0 = dot(v128.load32_splat(px, 112), v, i0); i1 = dot(v128.load32_splat(px, 116), v, i1);
      i2 = dot(v128.load32_splat(px, 120), v, i2); i3 = dot(v128.load32_splat(px, 124), v, i3);
      i0 = widen(i0); i1 = widen(i1); i2 = widen(i2); i3 = widen(i3);
      if (f.limit() < 8) {
        i0 = i32x4.add(i0, j0); i1 = i32x4.add(i1, j1); i2 = i32x4.add(i2, j2); i3 = i32x4.add(i3, j3);
      }
      const scale = v128.load(w, 128);
      c0 = madd(f32x4.mul(f32x4.convert_i32x4_s(i0), v128.load32_splat(ps)), scale, c0);
      c1 = madd(f32x4.mul(f32x4.convert_i32x4_s(i1), v128.load32_splat(ps, 16)), scale, c1);
      c2 = madd(f32x4.mul(f32x4.convert_i32x4_s(i2), v128.load32_splat(ps, 32)), scale, c2);
      c3 = madd(f32x4.mul(f32x4.convert_i32x4_s(i3), v128.load32_splat(ps, 48)), scale, c3);
      if (f.bias() != 0 || f.minima()) {
        const minimum = v128.load(w, 144);
        c0 = madd(minimum, v128.load32_splat(ps, 4), c0);
        c1 = madd(minimum, v128.load32_splat(ps, 20), c1);
        c2 = madd(minimum, v128.load32_splat(ps, 36), c2);
        c3 = madd(minimum, v128.load32_splat(ps, 52), c3);
      }
      w += 160;
    } else {
      for (let part = 0; part < 2; part++) {
        const wp = w + 64 * part, pp = px + 64 * part, sp = ps + 4 * part, cp = w + 32 * part;
        let i0 = i16x8.splat(0), i1 = i0, i2 = i0, i3 = i0;
        let v = v128.load(wp);
        i0 = dot(v128.load32_splat(pp), v, i0); i1 = dot(v128.load32_splat(pp, 4), v, i1);
        i2 = dot(v128.load32_splat(pp, 8), v, i2); i3 = dot(v128.load32_splat(pp, 12), v, i3);
        v = v128.load(wp, 16);
        i0 = dot(v128.load32_splat(pp, 16), v, i0); i1 = dot(v128.load32_splat(pp, 20), v, i1);
        i2 = dot(v128.load32_splat(pp, 24), v, i2); i3 = dot(v128.load32_splat(pp, 28), v, i3);
        let j0 = i16x8.splat(0), j1 = j0, j2 = j0, j3 = j0;
        if (f.limit() == 2) {
          j0 = widen(i0); j1 = widen(i1); j2 = widen(i2); j3 = widen(i3);
          i0 = i16x8.splat(0); i1 = i0; i2 = i0; i3 = i0;
        }
        v = v128.load(wp, 32);
        i0 = dot(v128.load32_splat(pp, 32), v, i0); i1 = dot(v128.load32_splat(pp, 36), v, i1);
        i2 = dot(v128.load32_splat(pp, 40), v, i2); i3 = dot(v128.load32_splat(pp, 44), v, i3);
        v = v128.load(wp, 48);
        i0 = dot(v128.load32_splat(pp, 48), v, i0); i1 = dot(v128.load32_splat(pp, 52), v, i1);
        i2 = dot(v128.load32_splat(pp, 56), v, i2); i3 = dot(v128.load32_splat(pp, 60), v, i3);
        i0 = widen(i0); i1 = widen(i1); i2 = widen(i2); i3 = widen(i3);
        if (f.limit() == 2) {
          i0 = i32x4.add(i0, j0); i1 = i32x4.add(i1, j1); i2 = i32x4.add(i2, j2); i3 = i32x4.add(i3, j3);
        }
        const scale = v128.load(cp, 128);
        c0 = madd(f32x4.mul(f32x4.convert_i32x4_s(i0), v128.load32_splat(ps)), scale, c0);
        c1 = madd(f32x4.mul(f32x4.convert_i32x4_s(i1), v128.load32_splat(ps, 16)), scale, c1);
        c2 = madd(f32x4.mul(f32x4.convert_i32x4_s(i2), v128.load32_splat(ps, 32)), scale, c2);
        c3 = madd(f32x4.mul(f32x4.convert_i32x4_s(i3), v128.load32_splat(ps, 48)), scale, c3);
        const minimum = v128.load(cp, 144);
        c0 = madd(minimum, v128.load32_splat(sp, 8), c0);
        c1 = madd(minimum, v128.load32_splat(sp, 24), c1);
        c2 = madd(minimum, v128.load32_splat(sp, 40), c2);
        c3 = madd(minimum, v128.load32_splat(sp, 56), c3);
      }
      w += 192;
    }
    px += 128;
    ps += 64;
  }
  R0 = c0; R1 = c1; R2 = c2; R3 = c3;
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
  const stride: usize = 128 + 32 * f.parts();
  for (let t = shareFrom(rows, thread, threads); t < shareTo(rows, thread, threads); t++) {
    const id = load<i32>(address(command, 2) + (<usize>t << 2));
    unpack<F>(address(command, 1) + <usize>(id >> 3) * blocks * f.bytes(), blocks, scratch);
    const lane: usize = id & 3;
    let from = scratch + ((id >> 2) & 1) * <usize>(columns >> 5) * stride;
    const out = address(command, 3) + <usize>t * columns * 4;
    for (let k = 0; k < columns; k++) {
      const inside: usize = k & 31;
      const part: usize = f.parts() == 2 ? (inside >> 4) << 5 : 0;
      const scale = load<f32>(from + part + 4 * lane, 128);
      const minimum = load<f32>(from + part + 4 * lane, 144);
      store<f32>(out + 4 * k, scale * <f32>load<u8>(from + 16 * (inside >> 2) + 4 * lane + (inside & 3)) + minimum);
      if (inside == 31) from += stride;
    }
  }
}

/** Bytes of 8 packed rows of `columns`. */
@inline export function groupBytesUnsigned<F>(columns: i32): i32 {
  const f = changetype<F>(0);
  return columns / (32 * f.tiles()) * <i32>f.bytes();
}

/** Bytes of the scratch that 8 unpacked rows need. */
@inline export function scratchBytesUnsigned<F>(columns: i32): i32 {
  return (columns >> 5) * 2 * (128 + 32 * changetype<F>(0).parts());
}
