/**
 * Matrix products with weights whose codes are small unsigned integers: value = scale · (code − bias) + minimum, with a
 * scale per 32 columns or per 16 (parts 1 or 2). A format F describes its packed super-block of 8 rows; the loops here
 * are shared by all of them.
 *
 * Activations (quantize8): int8 with one scale d per 32 columns.
 *   one token     codes [K], then per 32 columns 4 words, the sums
 *   more tokens   tiles of 4: codes [K/4][4 tokens][4], sums [K/32][4 tokens][4 words]
 *   sums          d (f32), then parts 1: d·Σ (f32), lanes; parts 2: lanes of columns 0–15, lanes of columns 16–31;
 *                 lanes being two i16: the sums of the codes at columns 4i, 4i+1 and at 4i+2, 4i+3
 *
 * Codes are summed in i16, a lane taking two columns of every quad. Starting from −bias · lanes instead of 0 leaves
 * Σ x·(code − bias), which fits although the sums on the way may wrap: |code − bias| ≤ 16 over 32 columns, ≤ 32 over 16.
 *
 * F's methods, all inlined: on the super-block d(half), m(half): f32 scales of 4 rows; on a tile of 32 columns
 * raw(i, half), low(n, i, half) and high(n, i, half): codes of quads i and i+4; scale(half, part, d) and
 * minimum(half, part, d, m). Constants: bytes, head, tile, tiles, parts, bias, minima (whether there is a minimum).
 */
import { address, argument, claim, piecesOf, rowsOf, shareFrom, shareTo } from "./control";
import { dot, join, start, widen } from "./dot";
import { madd } from "./simd";
import { storeRows } from "./store";

/** Where the lanes of a part's columns lie among the sums. */
@inline function lanes<F>(f: F, part: usize): usize { return f.parts() == 2 ? 4 + 4 * part : 8; }

/** d·Σ of a part's columns, where a minimum needs it. */
@inline function total<F>(f: F, ps: usize, part: usize, dx: v128): v128 {
  if (f.parts() == 1) return v128.load32_splat(ps + 4);
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.extadd_pairwise_i16x8_s(v128.load32_splat(ps + 4 + 4 * part))), dx);
}

/**
 * Kernel arguments: 0 rows kind (T or R), 1 weights, 2 activation codes, 3 activation sums, 4 output [rows, N],
 * 5 N, 6 K, 7 bias or 0, 8 residual [rows, N] or 0, 9 scratch, 10 scratch bytes per thread.
 */
@inline export function matmulUnsigned<F>(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  if (rows == 0) return;
  const groups = (argument(command, 5) + 7) >> 3;
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  const pieces = piecesOf(groups, threads);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    const from = shareFrom(groups, piece, pieces), to = shareTo(groups, piece, pieces);
    if (rows == 1) vector<F>(command, from, to);
    else tiles<F>(command, from, to, scratch);
  }
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
        const dx = v128.load32_splat(ps);
        let a0 = start(ps + lanes<F>(f, 0), f.bias()), a1 = a0;
        // columns 16–31 go to sums of their own only where they have a scale of their own
        let b0 = f.parts() == 2 ? start(ps + lanes<F>(f, 1), f.bias()) : i16x8.splat(0), b1 = b0;
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
        if (f.parts() == 2) {
          acc0 = madd(f32x4.mul(f32x4.convert_i32x4_s(widen(b0)), dx), t.scale(0, 1, d0), acc0);
          acc1 = madd(f32x4.mul(f32x4.convert_i32x4_s(widen(b1)), dx), t.scale(1, 1, d1), acc1);
          if (f.minima()) {
            const s = total<F>(f, ps, 1, dx);
            acc0 = madd(s, t.minimum(0, 1, d0, m0), acc0);
            acc1 = madd(s, t.minimum(1, 1, d1, m1), acc1);
          }
        } else {
          a0 = join(a0, b0);
          a1 = join(a1, b1);
        }
        acc0 = madd(f32x4.mul(f32x4.convert_i32x4_s(widen(a0)), dx), t.scale(0, 0, d0), acc0);
        acc1 = madd(f32x4.mul(f32x4.convert_i32x4_s(widen(a1)), dx), t.scale(1, 0, d1), acc1);
        if (f.minima()) {
          const s = total<F>(f, ps, 0, dx);
          acc0 = madd(s, t.minimum(0, 0, d0, m0), acc0);
          acc1 = madd(s, t.minimum(1, 0, d1, m1), acc1);
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
    if (t.minima()) v128.store(to + 32 * part, t.minimum(half, part, d, m), 144);
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
    const s = ps + lanes<F>(f, 0);
    let i0 = start(s, f.bias()), i1 = start(s + 16, f.bias()), i2 = start(s + 32, f.bias()), i3 = start(s + 48, f.bias());
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
    if (f.parts() == 2) {
      c0 = finish<F>(i0, w, ps, 0, c0); c1 = finish<F>(i1, w, ps + 16, 0, c1);
      c2 = finish<F>(i2, w, ps + 32, 0, c2); c3 = finish<F>(i3, w, ps + 48, 0, c3);
      const r = ps + lanes<F>(f, 1);
      i0 = start(r, f.bias()); i1 = start(r + 16, f.bias()); i2 = start(r + 32, f.bias()); i3 = start(r + 48, f.bias());
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
    const part: usize = f.parts() - 1;
    c0 = finish<F>(i0, w, ps, part, c0); c1 = finish<F>(i1, w, ps + 16, part, c1);
    c2 = finish<F>(i2, w, ps + 32, part, c2); c3 = finish<F>(i3, w, ps + 48, part, c3);
    w += 128 + 32 * f.parts();
    px += 128;
    ps += 64;
  }
  R0 = c0; R1 = c1; R2 = c2; R3 = c3;
}

/** Brings a token's sums of one part to scale and adds them up. */
@inline function finish<F>(sum: v128, w: usize, ps: usize, part: usize, acc: v128): v128 {
  const f = changetype<F>(0);
  const dx = v128.load32_splat(ps);
  acc = madd(f32x4.mul(f32x4.convert_i32x4_s(widen(sum)), dx), v128.load(w + 128 + 32 * part), acc);
  return f.minima() ? madd(v128.load(w + 144 + 32 * part), total<F>(f, ps, part, dx), acc) : acc;
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
      const code = <i32>load<u8>(from + 16 * (inside >> 2) + 4 * lane + (inside & 3)) - f.bias();
      store<f32>(out + 4 * k, scale * <f32>code + (f.minima() ? load<f32>(from + part + 4 * lane, 144) : 0));
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
