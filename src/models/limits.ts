/**
 * Largest counts that a model may state. Graphs and tables are built from these counts before all tensors have been
 * compared with them, so a file with an absurd count is refused first.
 */

/** llama.cpp's limit. */
export const MOST_LAYERS = 512;
/** 128 times the heads of the largest published models. */
export const MOST_HEADS = 16_384;
/** Columns of a head. Published models have at most 576. */
export const MOST_HEAD_SIZE = 65_536;
/** Tokens that a short convolution sees. Published models have at most 4. */
export const MOST_TAPS = 64;
/** llama.cpp's limit. */
export const MOST_EXPERTS = 1024;
/** Passes through all layers. Published models have at most 2. */
export const MOST_LOOPS = 64;
