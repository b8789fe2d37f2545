/** Checks that this engine computes the products of this variant correctly. V8 before version 12 has a bug in relaxed_dot_add on x86. */
import { dot, widen } from "../parts/dot";

/** x, w and sums of 16 bytes at p, then the i32 sums by row of one more product. */
export function sound(p: usize): void {
  v128.store(p, widen(dot(v128.load(p), v128.load(p, 16), v128.load(p, 32))), 48);
}
