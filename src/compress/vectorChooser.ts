/** Chooses vectors of a codebook so that what is left after compensation by later elements is least: the inner step of vectorObs.ts. */
import type { CodebookBlock, CodebookRanges } from '../tensor/blockCodebook.ts';
import { CodebookNeighbours } from '../tensor/quant/codebookNeighbours.ts';

export class VectorChooser {
  readonly #ranges: CodebookRanges;
  readonly #neighbours: CodebookNeighbours;
  readonly #moved = new Float32Array(8);
  readonly #errors = new Float32Array(8);

  constructor(ranges: CodebookRanges) {
    this.#ranges = ranges;
    this.#neighbours = new CodebookNeighbours(ranges.book, ranges.levels);
  }

  /**
   * Chooses the vectors of 8 elements again, with the block's scales. Each error of an element moves the elements after it: with
   * e_i = (q_i − x_i) / u_ii it adds e_i u_ij to x_j. The vectors have the least Σ e².
   * @param first number of the first element in the block, a multiple of 8
   * @param x its 8 elements, changed
   * @param u [8, 8], upper triangular @param errors receives the 8 e
   */
  choose(block: CodebookBlock, first: number, x: Float32Array, u: Float32Array, errors: Float32Array): void {
    const { length } = this.#ranges.book;
    const { scale, delta } = this.#scaleOf(block, first);
    const negative = this.#ranges.signs === 'shift' ? 0 : this.#signsOf(x, u);
    block.signs[first / 8] = negative;
    for (let from = 0; from < 8; from += length) {
      const candidates = this.#neighbours.of(x, from, scale === 0 ? 0 : 1 / scale, delta, negative);
      let best = candidates[0];
      let least = Number.POSITIVE_INFINITY;
      for (const candidate of candidates) {
        const cost = this.#cost(candidate, x, from, scale, delta, negative, u, least);
        if (cost >= least) continue;
        least = cost;
        best = candidate;
        errors.set(this.#errors.subarray(from, from + length), from);
      }
      block.indices[(first + from) / length] = best;
      for (let i = from; i < from + length; i++)
        for (let j = from + length; j < 8; j++) x[j] += errors[i] * u[8 * i + j];
    }
  }

  /** Dequantizes 8 elements. */
  decode(block: CodebookBlock, first: number, to: Float32Array): void {
    const { length } = this.#ranges.book;
    const { scale, delta } = this.#scaleOf(block, first);
    const negative = this.#ranges.signs === 'shift' ? 0 : block.signs[first / 8];
    for (let i = 0; i < 8; i++) {
      const vector = block.indices[Math.floor((first + i) / length)];
      const level = scale * (this.#neighbours.vectors[vector * length + (i % length)] + delta);
      to[i] = negative & (1 << i) ? -level : level;
    }
  }

  /** Scale and shift of the 8 elements from `first` on. */
  #scaleOf({ d, scales, isShiftedDown }: CodebookBlock, first: number): { scale: number; delta: number } {
    const { groupSize, unit, signs, shift = 0, shiftSize = 8 } = this.#ranges;
    const scale = d * unit * (2 * scales[Math.floor(first / groupSize)] + 1);
    return { scale, delta: signs !== 'shift' ? 0 : isShiftedDown[Math.floor(first / shiftSize)] ? -shift : shift };
  }

  /** Signs of 8 elements as bits; where their number must be even, the one that matters least is changed. */
  #signsOf(x: Float32Array, u: Float32Array): number {
    let [bits, count, least] = [0, 0, 0];
    const weight = (i: number) => (x[i] / u[9 * i]) ** 2;
    for (let i = 0; i < 8; i++) {
      if (x[i] < 0) {
        bits |= 1 << i;
        count++;
      }
      if (weight(i) < weight(least)) least = i;
    }
    if (this.#ranges.signs === 'even' && count % 2 === 1) bits ^= 1 << least;
    return bits;
  }

  /** Σ e² of a vector; any larger number if it is not below `least`. */
  #cost(
    vector: number,
    x: Float32Array,
    from: number,
    scale: number,
    shift: number,
    negative: number,
    u: Float32Array,
    least: number,
  ): number {
    const { length } = this.#ranges.book;
    const [moved, errors, vectors] = [this.#moved, this.#errors, this.#neighbours.vectors];
    const end = from + length;
    for (let i = from; i < end; i++) moved[i] = x[i];
    let cost = 0;
    for (let i = from; i < end; i++) {
      const level = scale * (vectors[vector * length + i - from] + shift);
      const error = ((negative & (1 << i) ? -level : level) - moved[i]) / u[9 * i];
      errors[i] = error;
      cost += error * error;
      if (cost >= least) break;
      for (let j = i + 1; j < end; j++) moved[j] += error * u[8 * i + j];
    }
    return cost;
  }
}
