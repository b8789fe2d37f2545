/** What solvers that choose the vectors of a codebook one after another know of a format. */
import type { Codebook } from './quant/codebooks.ts';

export interface CodebookRanges {
  readonly book: Codebook;
  /** Levels of the digits, ascending. */
  readonly levels: ArrayLike<number>;
  /** Elements with the same scale. */
  readonly groupSize: 16 | 32;
  readonly unit: number;
  /** Highest s. */
  readonly highest: number;
  /**
   * free: each element has a sign. even: the number of minus signs of 8 elements is even. shift: levels are signed, and each
   * run of `shiftSize` elements is shifted by δ or −δ.
   */
  readonly signs: 'free' | 'even' | 'shift';
  readonly shift?: number;
  readonly shiftSize?: 8 | 32;
}

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

export interface BlockCodebook {
  readonly ranges: CodebookRanges;
  /** Chooses the scales and vectors of a block. @param importance weights of the elements' squared errors, from `from` on */
  encode(x: Float32Array, from: number, importance: Float32Array): CodebookBlock;
  /** Writes the block's bytes. */
  write(block: CodebookBlock, to: Uint8Array, at: number): void;
}
