/**
 * What a format's file exports, X being its name; the engine finds them by these names:
 *
 *   activations_X()                       the form its products take activations in, one of those below
 *   groupBytes_X(columns)                 bytes of 8 packed rows
 *   scratchBytes_X(columns)               bytes of scratch that a thread needs
 *   pack_X                                kernel: whole rows in ggml's layout → packed, see pack.ts
 *   matmul_X, embed_X                     kernels, arguments as in the family's file
 */

/** f32 as it is. */
export const FLOATS: i32 = 0;
/** int8 and sums per 32 for weights with one scale per 32 columns, see quantize8. */
export const INT8: i32 = 1;
/** The same for weights with two. */
export const INT8_PARTS: i32 = 2;
/** int16 and scales per 32, see quantize16. */
export const INT16: i32 = 3;
