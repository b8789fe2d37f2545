/** Interface for solvers that choose the vectors of a codebook one after another. */

/** The integers of a block whose elements are vectors of a codebook. */
export interface CodebookBlock {
  d: number;
  /** s of each group. */
  readonly scales: Uint8Array;
  /** Index of each vector. */
  readonly indices: Uint16Array;
  /** Signs of each 8 elements, bit i set if element i is negative. */
  readonly signs: Uint8Array;
  /** 1 for each run of elements that is shifted by −δ. */
  readonly isShiftedDown: Uint8Array;
}

export interface CodebookEncoder {
  /** Chooses the scales of a block, and vectors for all of it. @param importance weights of the elements' squared errors, from `from` on */
  begin(x: Float32Array, from: number, importance: Float32Array): CodebookBlock;
  /**
   * Chooses the vectors of 8 elements again, with the block's scales. Each error of an element moves the elements after it: with
   * e_i = (q_i − x_i) / u_ii it adds e_i u_ij to x_j. The vectors have the least Σ e².
   * @param first number of the first element in the block, a multiple of 8
   * @param x its 8 elements, changed
   * @param u [8, 8], upper triangular @param errors receives the 8 e
   */
  choose(block: CodebookBlock, first: number, x: Float32Array, u: Float32Array, errors: Float32Array): void;
  /** Dequantizes 8 elements. */
  decode(block: CodebookBlock, first: number, to: Float32Array): void;
  /** Writes the block's bytes. */
  write(block: CodebookBlock, to: Uint8Array, at: number): void;
}
