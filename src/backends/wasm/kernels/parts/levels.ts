/** The uneven levels of IQ4_NL and IQ4_XS (tensor/quant/nonLinear.ts). */
import { highNibble, lookUp, lowNibble } from "./planes";

@inline export function table(): v128 {
  return i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
}

/**
 * Levels of 4 rows × 2 columns as i16.
 * @param n a vector of paired nibbles @param which 0, 1: the first and second pair of its low nibbles; 2, 3: of its high ones
 * @param mask 15 in every byte @param table the levels
 */
@inline export function levels(n: v128, which: i32, mask: v128, table: v128): v128 {
  const values = lookUp(table, which < 2 ? lowNibble(n, mask) : highNibble(n, mask));
  return (which & 1) == 0 ? i16x8.extend_low_i8x16_s(values) : i16x8.extend_high_i8x16_s(values);
}
