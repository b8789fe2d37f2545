/**
 * From a group's sums of codes to what it adds to a product, for weights whose codes are small unsigned integers: what
 * unsigned.ts says of bias, records and formats holds here too.
 */
import { startsIn16, widen } from "./dot";
import { held, madd } from "./simd";

/** Whether sums of codes could leave i16, unless they start from −bias · lanes. */
@inline export function wraps<F>(f: F): bool { return startsIn16() && f.most() * 127 * (16 / f.parts()) > 32767; }

/** Whether d·Σ brings in the bias. */
@inline export function shifts<F>(f: F): bool { return f.bias() != 0 && !wraps<F>(f); }

/** −bias, as `shifted` or `started` take it. */
@inline export function negated<F>(f: F): v128 {
  return held(wraps<F>(f) ? i16x8.splat(<i16>-f.bias()) : f32x4.splat(<f32>-f.bias()));
}

/** Words d·Σ → what they add for the bias. */
@inline export function shifted<F>(f: F, totals: v128, bias: v128): v128 { return shifts<F>(f) ? f32x4.mul(totals, bias) : totals; }

/** Lanes → what sums start from. */
@inline export function started(lanes: v128, bias: v128): v128 { return i16x8.mul(lanes, bias); }

/** A group's sums of codes, to scale. @param shift of `shifted` @param total d·Σ */
@inline export function scaled<F>(f: F, sum: v128, d: v128, shift: v128, scale: v128, total: v128, minimum: v128, acc: v128): v128 {
  const wide = f32x4.convert_i32x4_s(widen(sum));
  acc = madd(shifts<F>(f) ? madd(wide, d, shift) : f32x4.mul(wide, d), scale, acc);
  return f.minima() ? madd(total, minimum, acc) : acc;
}
