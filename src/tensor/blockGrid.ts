/**
 * The grid of a block format: the values that elements can have once a block's scales are chosen. Solvers that choose
 * integers one by one (OBS) use it; `BlockFormat.encode` chooses all of a block at once. backends/wasm/kernels/parts/search.ts
 * has the search for step and offset of a group.
 *
 *     x ≈ step * level(q) - offset       step and offset of the element's group, q an integer in lowest..highest
 */
export interface BlockGrid {
  /** Consecutive elements with the same step and offset; divides the block size. */
  readonly groupSize: number;
  /** Range of the integers. */
  readonly lowest: number;
  readonly highest: number;
  /** Levels of the integers 0..highest. Undefined: the level is the integer. */
  readonly levels?: Int8Array;
  /** Offsets of the half floats in a block's bytes. The elements' values are linear in them. */
  readonly halves: readonly number[];
  /** True if the groups have offsets, which are not negative. */
  readonly hasMin?: boolean;
  /** Ranges of the groups' integer scales and minima. Undefined: a block is one group, whose scale is a half float. */
  readonly scales?: { readonly lowest: number; readonly highest: number; readonly highestMin: number };
  newBlock(): GridBlock;
  /** Writes the bytes of a block. */
  write(block: GridBlock, to: Uint8Array, at: number): void;
}

/** Scales and integers of a block. */
export interface GridBlock {
  /** Scale of the block, or of its groups' scales: a half float. */
  d: number;
  /** Minimum of the block, or scale of its groups' minima: a half float. */
  dmin: number;
  /** Integer scale of each group, in formats with such. */
  readonly scales: Int8Array;
  /** Integer minimum of each group, in formats with such. */
  readonly mins: Int8Array;
  /** The elements' integers minus the lowest one, so they start at 0. */
  readonly quants: Uint8Array;
}

export function newGridBlock(elements: number, groups: number): GridBlock {
  return {
    d: 0,
    dmin: 0,
    scales: new Int8Array(groups),
    mins: new Int8Array(groups),
    quants: new Uint8Array(elements),
  };
}
