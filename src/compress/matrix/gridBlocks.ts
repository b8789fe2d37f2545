/** Blocks of a format with a grid in the solver's memory: the grid's description for the kernels, and the blocks' records. */
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import type { BlockGrid } from '../../tensor/blockGrid.ts';
import { nearestLevels } from '../../tensor/quant/nonLinear.ts';
import type { Matrices } from './matrices.ts';

/** A format with a grid. */
export interface GridFormat extends BlockFormat {
  readonly grid: BlockGrid;
}

/** Bytes of a record before its integers, see kernels/parts/search.ts. */
const HEAD = 40;
/** Weights that are in memory at a time. */
const BATCH = 2 ** 22;

/** Number of rows that are in memory at a time. */
export const rowsAtOnce = (columns: number): number => Math.max(1, Math.floor(BATCH / columns));

/** Returns the integer minus the lowest one that stands for exactly 0; undefined if a grid has none. */
export function zeroCode({ levels, lowest, highest, hasMin }: BlockGrid): number | undefined {
  if (hasMin) return undefined;
  const code = levels ? levels.indexOf(0) : -lowest;
  return code >= 0 && code <= highest - lowest ? code : undefined;
}

export class GridBlocks {
  /** Address of the description, in bytes. */
  readonly grid: number;
  /** Address of the records, in bytes. */
  readonly records: number;
  readonly #matrices: Matrices;
  readonly #format: GridFormat;
  readonly #recordBytes: number;

  /** Allocates the records of some blocks. */
  constructor(matrices: Matrices, format: GridFormat, blocks: number) {
    const { blockSize, grid } = format;
    this.#matrices = matrices;
    this.#format = format;
    this.#recordBytes = HEAD + blockSize;
    const description = matrices.allocate(16);
    const tables = matrices.allocate(512 / 4 + 4);
    this.records = 4 * matrices.allocate((blocks * this.#recordBytes) / 4);
    this.grid = 4 * description;
    const { groupSize, lowest, highest, levels, hasMin, scales } = grid;
    const bytes = matrices.bytes(tables, 528);
    bytes.set(nearestLevels);
    if (levels) bytes.set(new Uint8Array(levels.buffer, levels.byteOffset, levels.length), 512);
    const at = 4 * tables;
    matrices
      .integers(description, 16)
      .set([
        ...[blockSize, groupSize, lowest, highest, levels ? at + 512 : 0, at, Number(hasMin ?? false)],
        ...[Number(scales !== undefined), scales?.lowest ?? 0, scales?.highest ?? 0, scales?.highestMin ?? 0],
      ]);
  }

  /** Sets a block of a format without groups. @param quants integers minus the lowest one */
  set(index: number, d: number, quants: Uint8Array): void {
    const bytes = this.#matrices.bytes((this.records + index * this.#recordBytes) / 4, this.#recordBytes);
    bytes.fill(0, 0, HEAD);
    new DataView(bytes.buffer, bytes.byteOffset).setFloat32(0, d, true);
    bytes.set(quants, HEAD);
  }

  /** Sets the integers of weights that are 0 to zero. @param values weights of the first blocks */
  keepZeros(values: Float32Array): void {
    const { blockSize, grid } = this.#format;
    const zero = zeroCode(grid)!;
    const blocks = values.length / blockSize;
    const bytes = this.#matrices.bytes(this.records / 4, blocks * this.#recordBytes);
    for (const [i, value] of values.entries())
      if (value === 0) bytes[Math.floor(i / blockSize) * this.#recordBytes + HEAD + (i % blockSize)] = zero;
  }

  /** Writes the bytes of the first `count` blocks. */
  write(count: number, to: Uint8Array): void {
    const { blockSize, blockBytes, grid } = this.#format;
    const block = grid.newBlock();
    const size = this.#recordBytes;
    const bytes = this.#matrices.bytes(this.records / 4, count * size);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const groups = block.scales.length;
    for (let index = 0, at = 0; index < count; index++, at += size) {
      block.d = view.getFloat32(at, true);
      block.dmin = view.getFloat32(at + 4, true);
      for (let group = 0; group < groups; group++) {
        block.scales[group] = bytes[at + 8 + group];
        block.mins[group] = bytes[at + 24 + group];
      }
      for (let i = 0; i < blockSize; i++) block.quants[i] = bytes[at + HEAD + i];
      grid.write(block, to, index * blockBytes);
    }
  }
}
