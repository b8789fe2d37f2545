/**
 * Coordinate descent on the integers that OBS chose (QuantEase: Behdin et al. 2023): with the scales fixed, each integer moves to
 * where the error of the outputs is least, given all others. Every move lowers the error, so a few sweeps over the
 * channels can only improve the result.
 */
import type { GridBlock } from '../tensor/blockGrid.ts';
import { nearestLevel } from '../tensor/quant/nonLinear.ts';
import type { Matrices } from './matrix/matrices.ts';
import type { GridFormat } from './obs.ts';

export interface DescentOptions {
  readonly format: GridFormat;
  /** Address of H [n, n] with damping. */
  readonly gram: number;
  readonly isDead: Uint8Array;
  /** Addresses of two scratch matrices [rows, n]. */
  readonly errors: number;
  readonly products: number;
}

const SWEEPS = 4;

/** @param values [rows, n] the weights @param blocks of all rows, changed @param to receives the bytes */
export function descend(
  matrices: Matrices,
  { format, gram, isDead, errors: e, products: g }: DescentOptions,
  values: Float32Array,
  rows: number,
  blocks: readonly GridBlock[],
  to: Uint8Array,
): void {
  const n = values.length / rows;
  const { blockSize, blockBytes, grid } = format;
  const { groupSize, lowest, highest, levels } = grid;
  const { floats } = matrices;
  const perRow = n / blockSize;
  const chosen = (block: GridBlock, i: number): number => {
    const group = Math.floor(i / groupSize);
    const q = block.quants[i]! + lowest;
    return grid.step(block, group) * (levels ? levels[q]! : q) - grid.offset(block, group);
  };
  for (let row = 0; row < rows; row++)
    for (let j = 0; j < n; j++) {
      const block = blocks[row * perRow + Math.floor(j / blockSize)]!;
      floats[e + row * n + j] = isDead[j] ? 0 : values[row * n + j]! - chosen(block, j % blockSize);
    }
  floats.fill(0, g, g + rows * n);
  // the products are −error · H
  const view = (at: number) => ({ at, stride: n });
  matrices.subtractProduct(view(g), view(e), view(gram), rows, n, n);
  for (let row = 0; row < rows; row++) {
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
      let moves = 0;
      for (let j = 0; j < n; j++) {
        if (isDead[j]) continue;
        const block = blocks[row * perRow + Math.floor(j / blockSize)]!;
        const i = j % blockSize;
        const group = Math.floor(i / groupSize);
        const step = grid.step(block, group);
        if (step === 0) continue;
        const offset = grid.offset(block, group);
        const now = chosen(block, i);
        const wanted = now - floats[g + row * n + j]! / floats[gram + j * n + j]!;
        const scaled = (wanted + offset) / step;
        const q = levels ? nearestLevel(scaled) : Math.max(lowest, Math.min(highest, Math.round(scaled)));
        if (q - lowest === block.quants[i]) continue;
        block.quants[i] = q - lowest;
        const change = chosen(block, i) - now;
        // the error shrinks by the change, its negative product grows by change · H
        matrices.subtractScaled(g + row * n, gram + j * n, -change, n);
        moves++;
      }
      if (moves === 0) break;
    }
  }
  for (const [index, block] of blocks.entries()) grid.write(block, to, index * blockBytes);
}
