/**
 * How keys and values lie in a page of a cache: 16 positions of one sequence, in all layers. Per layer: the keys of all
 * positions, then the values. Head sizes are filled up to S, a multiple of 8, with zeros.
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

/** What values widened by `halvesLow` and `halvesHigh` must be multiplied by: the bias of their exponents. */
export const HALF_BIAS: f32 = reinterpret<f32>(0x77800000);

/** What halvesLow and halvesHigh are handed. */
@inline export function halvesMask(): v128 { return held(i32x4.splat(0x8fffe000)); }

/** The first four of 8 halves as f32, times 2^-112. */
@inline export function halvesLow(v: v128, mask: v128): v128 { return v128.and(i32x4.shr_s(i32x4.shl(v, 16), 3), mask); }

/** The second four. */
@inline export function halvesHigh(v: v128, mask: v128): v128 { return v128.and(i32x4.shr_s(v, 3), mask); }

/** Where the i-th of 8 stands among them in f16. */
@inline export function halfPlace(i: usize): usize { return ((i & 3) << 1) | (i >> 2); }

/** Head size filled up to whole groups of 8. */
@inline export function filled(size: usize): usize { return (size + 7) & ~7; }

/** Bytes of `elements` in a cache of a kind; for q8_0 a multiple of 32. */
@inline export function cacheBytes(kind: i32, elements: usize): usize {
  return kind == Q8_0 ? (elements >> 5) * 34 : kind == F16 ? elements << 1 : elements << 2;
}

/** Where a layer's keys begin in a page. @param before elements per position (keys alone, filled) of the layers before it */
@inline export function layerKeys(before: usize): usize { return PAGE * cacheBytes(cacheKind(), before) * 2; }

/** Where its values begin. @param width elements per position: key heads · filled head size */
@inline export function layerValues(before: usize, width: usize): usize {
  return layerKeys(before) + PAGE * cacheBytes(cacheKind(), width);
}
