/** SIMD helpers shared by kernels. Vectors are 4 × f32 unless a name says otherwise. */

/** a · b + c, with a single rounding if the machine supports it. */
@inline export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

const ZEROS: usize = memory.data(16, 16);

/**
 * Keeps a constant in a register. V8's Turboshaft rematerializes constant vectors at every use, in three
 * instructions, but does not know that this one is constant. Call it before a loop.
 */
@inline export function held(constant: v128): v128 { return v128.or(constant, v128.load(ZEROS)); }

/** The same for functions that are called in loops: loads the constant in one instruction. */
const HALVES: usize = memory.data<u32>([
  0x8fffffff, 0x8fffffff, 0x8fffffff, 0x8fffffff, 0x77800000, 0x77800000, 0x77800000, 0x77800000,
], 16);

/** 4 half floats at p → f32: multiplying by 2^112 corrects the exponent's bias, subnormals included. */
@inline export function half4(p: usize): v128 {
  return f32x4.mul(tinyHalf4(p, v128.load(HALVES)), v128.load(HALVES, 16));
}

/**
 * 4 half floats at p → f32, 2^−112 of them: shifting the sign-extended half left by 13 puts sign, exponent and mantissa in
 * their f32 places, and the sign's copies are masked off. @param mask of `halfMask`
 */
@inline export function tinyHalf4(p: usize, mask: v128): v128 { return v128.and(i32x4.shl(v128.load16x4_s(p), 13), mask); }

@inline export function halfMask(): v128 { return held(i32x4.splat(0x8fffffff)); }

/**
 * 2^56, half of the exponent that tiny halves lack. The other factors of products, and then their results, are multiplied by it. In between,
 * nothing overflows, and no sum above 2^−70 loses bits.
 */
@inline export function balance(): v128 { return held(f32x4.splat(reinterpret<f32>(0x5b800000))); }

/** Copies a 32-bit lane to all four lanes. */
@inline export function spread0(v: v128): v128 { return v128.shuffle<i32>(v, v, 0, 0, 0, 0); }
@inline export function spread1(v: v128): v128 { return v128.shuffle<i32>(v, v, 1, 1, 1, 1); }
@inline export function spread2(v: v128): v128 { return v128.shuffle<i32>(v, v, 2, 2, 2, 2); }
@inline export function spread3(v: v128): v128 { return v128.shuffle<i32>(v, v, 3, 3, 3, 3); }

/** 4 bfloat16 at p → f32. */
@inline export function bfloat4(p: usize): v128 {
  return i32x4.shl(v128.load16x4_u(p), 16);
}

/** One half float → f32. */
@inline export function half(p: usize): f32 {
  const wide = (<i32>load<i16>(p) << 13) & 0x8fffffff;
  return reinterpret<f32>(wide) * reinterpret<f32>(0x77800000);
}

/** f32 → half float, round to nearest even; beyond the range becomes infinity. */
@inline export function toHalf(value: f32): u16 {
  const x = reinterpret<u32>(value);
  const sign = (x >> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return <u16>(sign | 0x7e00);
  if (magnitude >= 0x477ff000) return <u16>(sign | 0x7c00);
  if (magnitude < 0x38800000) {
    // adding 0.5 lets the f32 adder round to multiples of 2^-24, which are the subnormal halves
    return <u16>(sign | (reinterpret<u32>(reinterpret<f32>(magnitude) + 0.5) - 0x3f000000));
  }
  return <u16>(sign | ((magnitude + 0xfff + ((magnitude >> 13) & 1) - 0x38000000) >> 13));
}

/** Sum of the four lanes. */
@inline export function sum4(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Greatest of the four lanes. */
@inline export function max4(v: v128): f32 {
  const pairs = f32x4.pmax(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return max<f32>(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/**
 * Constants of exp4, four of each: bounds, log2 e, 1.5 · 2^23, −ln 2 in two parts, the polynomial from the sixth power
 * on, 1.
 */
const EXP: usize = memory.data<f32>([
  -87.3, -87.3, -87.3, -87.3,
  88.3, 88.3, 88.3, 88.3,
  1.44269504, 1.44269504, 1.44269504, 1.44269504,
  12582912, 12582912, 12582912, 12582912,
  -0.693359375, -0.693359375, -0.693359375, -0.693359375,
  2.12194440e-4, 2.12194440e-4, 2.12194440e-4, 2.12194440e-4,
  1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4,
  1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3,
  8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3,
  4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2,
  1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1,
  5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1,
  1, 1, 1, 1,
], 16);

/**
 * e^x: x = n·ln2 + r with |r| ≤ ln2/2, a polynomial for e^r (Cephes' coefficients), n added to the exponent.
 * Relative error below 2e-7; below −87.3, and of NaN, it is 0.
 *
 * On x86, `min`, `max`, `nearest` and `trunc_sat` take up to 9 instructions each, those used here one. Adding 1.5 · 2^23
 * rounds to an integer, which is then in the lowest bits.
 */
@inline export function exp4(x: v128): v128 {
  const least = v128.load(EXP);
  const clamped = f32x4.pmin(f32x4.pmax(x, least), v128.load(EXP, 16));
  const rounded = madd(clamped, v128.load(EXP, 32), v128.load(EXP, 48));
  const n = f32x4.sub(rounded, v128.load(EXP, 48));
  const r = madd(n, v128.load(EXP, 80), madd(n, v128.load(EXP, 64), clamped));
  let p = madd(v128.load(EXP, 96), r, v128.load(EXP, 112));
  p = madd(p, r, v128.load(EXP, 128));
  p = madd(p, r, v128.load(EXP, 144));
  p = madd(p, r, v128.load(EXP, 160));
  p = madd(p, r, v128.load(EXP, 176));
  const one = v128.load(EXP, 192);
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), one);
  // the bits of 1 are those of an exponent of 0
  const power = i32x4.add(i32x4.shl(rounded, 23), one);
  return v128.and(f32x4.mul(p, power), f32x4.gt(x, least));
}

/** tanh(x) = 1 − 2 / (e^2x + 1); near 0, where that cancels, its Taylor polynomial x(1 − x²/3 + 2x⁴/15 − 17x⁶/315). */
@inline export function tanh4(x: v128): v128 {
  const e = exp4(f32x4.add(x, x));
  const far = f32x4.sub(f32x4.splat(1), f32x4.div(f32x4.splat(2), f32x4.add(e, f32x4.splat(1))));
  const square = f32x4.mul(x, x);
  let p = madd(f32x4.splat(-0.053968254), square, f32x4.splat(0.13333334));
  p = madd(p, square, f32x4.splat(-0.33333334));
  const near = madd(f32x4.mul(p, square), x, x);
  return v128.bitselect(near, far, f32x4.lt(square, f32x4.splat(0.0625)));
}

/** tanh′(x) = 1 − tanh²(x) = 4e / (1 + e)², e = e^−2|x|: it does not cancel where tanh is near ±1. */
@inline export function tanhSlope4(x: v128): v128 {
  const e = exp4(f32x4.mul(f32x4.abs(x), f32x4.splat(-2)));
  const whole = f32x4.add(e, f32x4.splat(1));
  return f32x4.div(f32x4.mul(e, f32x4.splat(4)), f32x4.mul(whole, whole));
}
