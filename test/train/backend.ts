/** What computes in tests of training. */
export const backend = 'wasm';
