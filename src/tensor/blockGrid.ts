/**
 * The grid of a block format: the values that elements can have once a block's scales are chosen. Solvers that choose
 * integers one by one (OBS) use it; `BlockFormat.encode` chooses all of a block at once.
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
  newBlock(): GridBlock;
  /**
   * Chooses what the groups of a block share, from the values of all of its elements.
   * @param x, weights the block's elements and the weights of their squared errors, from 0 on
   */
  start(block: GridBlock, x: Float32Array, weights: Float32Array): void;
  /** Chooses the step and offset of group `group` of a started block, from the current values of its elements. */
  fit(block: GridBlock, group: number, x: Float32Array, weights: Float32Array): void;
  /** Step and offset of a group that was fitted. */
  step(block: GridBlock, group: number): number;
  offset(block: GridBlock, group: number): number;
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
