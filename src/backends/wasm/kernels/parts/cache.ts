/**
 * Layout of a cache page: 16 positions of one sequence, for all layers. Per layer: the keys of all
 * positions, then the values. Head sizes are padded with zeros to S, a multiple of 8.
 *
 *   keys     [G key heads][2] tiles of 8 positions in SIMD lanes             f32: [S][8 positions]
 *                                                    f16: [S][8 positions, in the order 0 4 1 5 2 6 3 7]
 *                                                    q8_0: per 32 columns 8 half scales, then [16][8 positions][2] int8
 *   values   [G key heads][16] rows                  f32: [S]
 *                                                    f16: [S], 8 columns in the order 0 4 1 5 2 6 3 7
 *                                                    q8_0: per 32 columns a half scale, then 32 int8
 *
 * In that order a 32-bit lane holds two halves, the first of which belongs to the first vector of four, the second to
 * the second: shifts and masks widen them without moving lanes.
 */
import { cacheKind } from "./control";
import { held } from "./simd";

/** Positions of a page; graph/step.ts says the same. */
export const PAGE: i32 = 16;

export const F32: i32 = 0;
export const F16: i32 = 1;
export const Q8_0: i32 = 2;

/** Factor for values widened by `halvesLow` and `halvesHigh`: it corrects the exponent bias. */
export const HALF_BIAS: f32 = reinterpret<f32>(0x77800000);

/** Mask argument of halvesLow and halvesHigh. */
@inline export function halvesMask(): v128 { return held(i32x4.splat(0x8fffe000)); }

/** The first four of 8 halves as f32, times 2^-112. */
@inline export function halvesLow(v: v128, mask: v128): v128 { return v128.and(i32x4.shr_s(i32x4.shl(v, 16), 3), mask); }

/** The second four. */
@inline export function halvesHigh(v: v128, mask: v128): v128 { return v128.and(i32x4.shr_s(v, 3), mask); }

/** Place of the i-th of 8 values in f16 order. */
@inline export function halfPlace(i: usize): usize { return ((i & 3) << 1) | (i >> 2); }

/** Head size rounded up to a multiple of 8. */
@inline export function filled(size: usize): usize { return (size + 7) & ~7; }

/** Bytes of `elements` in a cache of a kind; for q8_0 a multiple of 32. */
@inline export function cacheBytes(kind: i32, elements: usize): usize {
  return kind == Q8_0 ? (elements >> 5) * 34 : kind == F16 ? elements << 1 : elements << 2;
}

/** Offset of a layer's keys in a page. @param before padded elements per position of the keys of previous layers */
@inline export function layerKeys(before: usize): usize { return PAGE * cacheBytes(cacheKind(), before) * 2; }

/** Offset of a layer's values. @param width elements per position: key heads · padded head size */
@inline export function layerValues(before: usize, width: usize): usize {
  return layerKeys(before) + PAGE * cacheBytes(cacheKind(), width);
}
