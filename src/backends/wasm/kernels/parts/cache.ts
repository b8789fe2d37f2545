/**
 * How keys and values lie in a session's cache. Per layer: the keys of all positions, then the values.
 *
 *   keys     [G key heads][context/4] tiles of 4 positions in SIMD lanes     f32, f16: [headSize][4 positions]
 *                                                    q8_0: per 32 columns 4 half scales, then [32][4 positions] int8
 *   values   [G key heads][context] rows                                     f32, f16: [headSize]
 *                                                    q8_0: per 32 columns a half scale, then 32 int8
 *
 * A float kind answers bytes(elements) and at(p, i): 4 elements from i on as f32.
 */
import { cacheBase, cacheContext, cacheKind } from "./control";
import { half4 } from "./simd";

@unmanaged export class CacheF32 {
  @inline bytes(elements: usize): usize { return elements << 2; }
  @inline at(p: usize, i: usize): v128 { return v128.load(p + (i << 2)); }
}

@unmanaged export class CacheF16 {
  @inline bytes(elements: usize): usize { return elements << 1; }
  @inline at(p: usize, i: usize): v128 { return half4(p + (i << 1)); }
}

/** Bytes of elements in q8_0; elements are a multiple of 32. */
@inline export function bytesQ8(elements: usize): usize { return (elements >> 5) * 34; }

/** Four int8 at p as f32. */
@inline export function codes4(p: usize): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(p))));
}

/** Bytes of `elements` in a cache of a kind. */
@inline export function cacheBytes(kind: i32, elements: usize): usize {
  return kind == 2 ? bytesQ8(elements) : kind == 1 ? elements << 1 : elements << 2;
}

/** Where a layer's keys begin. @param before elements per position (keys alone) of the layers before it */
@inline export function layerKeys(before: usize): usize {
  return cacheBase() + cacheContext() * cacheBytes(cacheKind(), before) * 2;
}

/** Where its values begin. @param width elements per position: key heads · head size */
@inline export function layerValues(before: usize, width: usize): usize {
  return layerKeys(before) + cacheContext() * cacheBytes(cacheKind(), width);
}
