/**
 * Exports of a format's file, where X is the format's name. The engine finds them by these names:
 *
 *   activations_X()                       kind of activations of its products, one of those below
 *   groupBytes_X(columns)                 bytes of 8 packed rows
 *   scratchBytes_X(columns)               bytes of scratch per thread
 *   pack_X                                kernel: whole rows in ggml's layout → packed, see pack.ts
 *   matmul_X, embed_X                     kernels, arguments as in the family's file
 */

/** f32, not quantized. */
export const FLOATS: i32 = 0;
/** int8 and sums per 32 for weights with one scale per 32 columns, see quantize8. */
export const INT8: i32 = 1;
/** int8 and sums per 16, for weights with two scales per 32 columns. */
export const INT8_PARTS: i32 = 2;
/** int16 and scales per 32, see quantize16. */
export const INT16: i32 = 3;
