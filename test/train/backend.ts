/** Backend for the training tests. */
export const backend = 'wasm';
