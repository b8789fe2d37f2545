/** Does this engine compute the products of this variant rightly? V8 before 12 adds wrongly in relaxed_dot_add on x86. */
import { dot, widen } from "./parts/dot";

/** x, w and sums of 16 bytes at p, then the i32 sums by row of one more product. */
export function sound(p: usize): void {
  v128.store(p, widen(dot(v128.load(p), v128.load(p, 16), v128.load(p, 32))), 48);
}
