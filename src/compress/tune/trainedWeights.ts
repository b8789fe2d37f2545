/**
 * Quantization-aware training of a matrix: the trained weights are in F32, the model computes with their rounded values. The gradient of
 * a rounded element is used for its weight (straight-through estimator: Bengio et al. 2013), unless the weight is outside the grid. The
 * half floats of the blocks are trained, too; the integer scales of groups are frozen.
 *
 *     x[i] = step · level(q[i]) − minimum      q[i]: the integer nearest to weight i
 */
import type { BlockGrid } from '../../tensor/blockGrid.ts';
import { nearestLevel } from '../../tensor/quant/nonLinear.ts';
import type { GridFormat } from '../matrix/gridBlocks.ts';
import type { BlockParts } from './blockParts.ts';
import { RelativeAdam } from './relativeAdam.ts';
import type { TrainedTensor } from './trainedTensor.ts';

/** Distance of a weight from its rounded value at the start, in steps: half a step would round to another integer. */
const MOST_REST = 0.45;
/** Learning rate of the half floats relative to that of the weights: a new scale moves integers, too. */
const SCALE_RATE = 0.1;

export class TrainedWeights implements TrainedTensor {
  readonly name: string;
  readonly format: GridFormat;
  readonly #parts: BlockParts;
  readonly #groups: number;
  readonly #weights: Float32Array;
  /** Indices of weights that stay 0. */
  readonly #zeros = new Set<number>();
  readonly #optimizer: RelativeAdam;
  readonly #halves: readonly RelativeAdam[];

  /**
   * @param parts of the quantized tensor @param original values before it was quantized: the weights start where they round to the
   *   tensor's integers, as near to the original as that allows
   * @param keepsZeros weights whose original and integer are 0 stay 0
   */
  constructor(
    name: string,
    format: GridFormat,
    parts: BlockParts,
    original: Float32Array | undefined,
    keepsZeros = false,
  ) {
    this.name = name;
    this.format = format;
    this.#parts = parts;
    this.#groups = format.blockSize / format.grid.groupSize;
    this.#weights = new Float32Array(parts.quants.length);
    this.#eachGroup((step, minimum, from, to) => {
      const most = MOST_REST * Math.abs(step);
      for (let i = from; i < to; i++) {
        const rounded = step * levelOf(format.grid, parts.quants[i]) - minimum;
        const rest = original ? original[i] - rounded : 0;
        if (keepsZeros && rounded === 0 && rest === 0) this.#zeros.add(i);
        this.#weights[i] = rounded + Math.max(-most, Math.min(most, rest));
      }
    });
    this.#optimizer = new RelativeAdam(this.#weights, true);
    this.#halves = [parts.d, parts.dmin].map((values) => new RelativeAdam(values, false));
  }

  elements(): Float32Array {
    this.#round();
    const elements = new Float32Array(this.#weights.length);
    const { quants } = this.#parts;
    const { grid } = this.format;
    this.#eachGroup((step, minimum, from, to) => {
      for (let i = from; i < to; i++) elements[i] = step * levelOf(grid, quants[i]) - minimum;
    });
    return elements;
  }

  update(gradient: Float32Array, rate: number): void {
    const { d, scales, mins, quants } = this.#parts;
    const { grid } = this.format;
    const [ofD, ofDmin] = [new Float32Array(d.length), new Float32Array(d.length)];
    const ofWeights = gradient.slice();
    const [low, high] = [levelOf(grid, 0), levelOf(grid, grid.highest - grid.lowest)];
    this.#eachGroup((step, minimum, from, to, block, group) => {
      let [sum, slope] = [0, 0];
      for (let i = from; i < to; i++) {
        const g = gradient[i];
        slope += g * levelOf(grid, quants[i]);
        sum += g;
        // outside the grid a weight has no effect, so it must not move further away
        const place = step === 0 ? 0 : (this.#weights[i] + minimum) / step;
        if (place < low - 0.5 || place > high + 0.5) ofWeights[i] = 0;
      }
      ofD[block] += slope * (grid.scales ? scales[group] : 1);
      ofDmin[block] -= sum * (grid.scales ? mins[group] : 1);
    });
    for (const i of this.#zeros) ofWeights[i] = 0;
    this.#optimizer.update(ofWeights, rate);
    this.#halves[0].update(ofD, SCALE_RATE * rate);
    this.#halves[1].update(ofDmin, SCALE_RATE * rate);
  }

  bytes(): Uint8Array {
    this.#round();
    const { blockSize, blockBytes, grid } = this.format;
    const { d, dmin, scales, mins, quants } = this.#parts;
    const block = grid.newBlock();
    const bytes = new Uint8Array(d.length * blockBytes);
    for (let index = 0; index < d.length; index++) {
      block.d = d[index];
      block.dmin = dmin[index];
      block.scales.set(scales.subarray(index * this.#groups, (index + 1) * this.#groups));
      block.mins.set(mins.subarray(index * this.#groups, (index + 1) * this.#groups));
      block.quants.set(quants.subarray(index * blockSize, (index + 1) * blockSize));
      grid.write(block, bytes, index * blockBytes);
    }
    return bytes;
  }

  /** Sets the integers to those nearest to the weights. */
  #round(): void {
    const { quants } = this.#parts;
    const { lowest, highest, levels } = this.format.grid;
    this.#eachGroup((step, minimum, from, to) => {
      if (step === 0) return;
      for (let i = from; i < to; i++) {
        const place = (this.#weights[i] + minimum) / step;
        quants[i] = levels ? nearestLevel(place) : Math.max(lowest, Math.min(highest, Math.round(place))) - lowest;
      }
    });
  }

  #eachGroup(
    visit: (step: number, minimum: number, from: number, to: number, block: number, group: number) => void,
  ): void {
    const { d, dmin, scales, mins } = this.#parts;
    const { grid } = this.format;
    for (let block = 0, group = 0; block < d.length; block++)
      for (let end = group + this.#groups; group < end; group++) {
        const step = d[block] * (grid.scales ? scales[group] : 1);
        const minimum = dmin[block] * (grid.scales ? mins[group] : 1);
        visit(step, minimum, group * grid.groupSize, (group + 1) * grid.groupSize, block, group);
      }
  }
}

/** @param code integer minus the lowest one */
function levelOf({ levels, lowest }: BlockGrid, code: number): number {
  return levels ? levels[code] : code + lowest;
}
