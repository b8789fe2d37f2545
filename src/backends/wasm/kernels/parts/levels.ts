/** The uneven levels of IQ4_NL and IQ4_XS (tensor/quant/nonLinear.ts). */
import { highNibble, lookUp, lowNibble } from "./planes";

@inline export function table(): v128 {
  return i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
}

/** Levels of 4 rows × a quad: of the low nibbles of n, or the high ones. @param mask 15 in every byte @param table the levels */
@inline export function levels(n: v128, upper: i32, mask: v128, table: v128): v128 {
  return lookUp(table, upper ? highNibble(n, mask) : lowNibble(n, mask));
}
