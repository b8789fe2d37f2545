/** Does this engine compute the products of this variant rightly? V8 before 12 adds wrongly in relaxed_dot_add on x86. */
import { dot, widen } from "./parts/dot";

/** Σ of x·w over 16 lanes, three times: 48·x·w. */
export function sound(x: i32, w: i32): i32 {
  const a = i8x16.splat(<i8>x), b = i8x16.splat(<i8>w);
  const sums = widen(dot(a, b, dot(a, b, dot(a, b, i8x16.splat(0)))));
  return i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
}
