/**
 * Peak measurements for the roofline: kernels that only read memory, or only multiply and
 * add. They are written like the matrix products (see unsigned.ts), so that only the work differs.
 */
import { address, argument, claim, piecesOf, shareFrom, shareTo } from "../parts/control";
import { dot } from "../parts/dot";
import { madd } from "../parts/simd";

/** Bytes of operands. They stay in the L1 cache. */
const OPERANDS: usize = 4096;

/** Arguments: 0 from, 1 bytes (a multiple of 128), 2 result: the exclusive or of all bytes, 128 bytes per thread. */
export function readMemory(command: usize, thread: i32, threads: i32): void {
  const lines = argument(command, 1) >> 7;
  let a = i64x2.splat(0), b = a, c = a, d = a;
  const pieces = piecesOf(lines, threads);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    let p = address(command, 0) + (<usize>shareFrom(lines, piece, pieces) << 7);
    const end = address(command, 0) + (<usize>shareTo(lines, piece, pieces) << 7);
    do {
      a = v128.xor(a, v128.xor(v128.load(p), v128.load(p, 64)));
      b = v128.xor(b, v128.xor(v128.load(p, 16), v128.load(p, 80)));
      c = v128.xor(c, v128.xor(v128.load(p, 32), v128.load(p, 96)));
      d = v128.xor(d, v128.xor(v128.load(p, 48), v128.load(p, 112)));
      p += 128;
    } while (p < end);
  }
  v128.store(address(command, 2) + (<usize>thread << 7), v128.xor(v128.xor(a, b), v128.xor(c, d)));
}

/**
 * Products of P, added to 8 sums, which fit into registers with their operands. An iteration reads 32 bytes of operands
 * and has 8 vector products.
 * Arguments: 0 operands (4096 bytes), 1 passes over them that each thread makes, 2 result: the sums, 128 bytes per thread.
 */
@inline function peak<P>(command: usize, thread: i32): void {
  const f = changetype<P>(0);
  const operands = address(command, 0), end = operands + OPERANDS;
  const w0 = v128.load(operands), w1 = v128.load(operands, 16), w2 = v128.load(operands, 32), w3 = v128.load(operands, 48);
  let a0 = i32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  let passes = argument(command, 1);
  do {
    let p = operands;
    do {
      const x = v128.load(p), y = v128.load(p, 16);
      a0 = f.add(x, w0, a0); a1 = f.add(x, w1, a1); a2 = f.add(x, w2, a2); a3 = f.add(x, w3, a3);
      b0 = f.add(y, w0, b0); b1 = f.add(y, w1, b1); b2 = f.add(y, w2, b2); b3 = f.add(y, w3, b3);
      p += 32;
    } while (p < end);
  } while (--passes);
  const sums = address(command, 2) + (<usize>thread << 7);
  v128.store(sums, a0); v128.store(sums, a1, 16); v128.store(sums, a2, 32); v128.store(sums, a3, 48);
  v128.store(sums, b0, 64); v128.store(sums, b1, 80); v128.store(sums, b2, 96); v128.store(sums, b3, 112);
}

/** 16 products of int8, see unsigned.ts. */
@unmanaged class Int8 {
  @inline add(x: v128, w: v128, sum: v128): v128 { return dot(x, w, sum); }
}
/** 8 products of int16, see signed.ts. */
@unmanaged class Int16 {
  @inline add(x: v128, w: v128, sum: v128): v128 { return i32x4.add(sum, i32x4.dot_i16x8_s(w, x)); }
}
/** 4 products of f32, see floating.ts. */
@unmanaged class Floats {
  @inline add(x: v128, w: v128, sum: v128): v128 { return madd(x, w, sum); }
}

export function peak_int8(command: usize, thread: i32, threads: i32): void { peak<Int8>(command, thread); }
export function peak_int16(command: usize, thread: i32, threads: i32): void { peak<Int16>(command, thread); }
export function peak_floats(command: usize, thread: i32, threads: i32): void { peak<Floats>(command, thread); }
