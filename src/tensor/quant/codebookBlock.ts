/**
 * Quantizes super-blocks whose elements are vectors of a codebook (IQ3, IQ2 and IQ1 formats): d is a half float of the block,
 * s an integer of each group of elements, and the levels of a vector's digits are magnitudes with signs, or signed levels that
 * are shifted by δ.
 *
 *     x ≈ ± d * unit * (2s + 1) * level        without signs: d * unit * (2s + 1) * (level + δ)
 *
 * 1. For each group, try scales around the one at which its greatest element is the greatest level, and refine the best by
 *    least squares.
 * 2. Search for the d whose integers s are nearest to these scales; for each group keep the best of s − 1, s and s + 1.
 * 3. Given all vectors, solve for d (least squares), and choose the vectors again.
 */
import { floatToHalf, halfToFloat } from '../../core/half.ts';
import type { CodebookBlock, CodebookRanges } from '../blockCodebook.ts';
import type { BlockFormat } from '../blockFormat.ts';
import { CodebookNeighbours } from './codebookNeighbours.ts';
import { type PerBlock, perBlock } from './perBlock.ts';
import { nothing, weighByMagnitude } from './search.ts';

const SIZE = 256;

export interface CodebookFormat extends Pick<PerBlock, 'name' | 'ggmlType' | 'blockBytes' | 'decodeBlock'> {
  readonly ranges: CodebookRanges;
  /** Writes the bytes of a block. */
  pack(block: CodebookBlock, to: Uint8Array, at: number): void;
}

/** Makes a block format with an encoder. */
export function codebookFormat({ ranges, pack, ...format }: CodebookFormat): BlockFormat {
  let made: BlockEncoder | undefined;
  const encoder = () => (made ??= new BlockEncoder(ranges));
  return {
    ...perBlock({
      ...format,
      blockSize: SIZE,
      encodeBlock(from, x, to, at, importance) {
        pack(encoder().encode(from, x, importance), to, at);
      },
    }),
    codebook: {
      ranges,
      encode: (x, from, importance) => structuredClone(encoder().encode(x, from, importance)),
      write: pack,
    },
  };
}

/** Scales that are tried for a group: the share of the greatest element that the greatest level reaches. */
const TRIES = [1.25, 1.1, 1, 0.92, 0.84, 0.76, 0.68, 0.6, 0.52];

class BlockEncoder {
  readonly #ranges: CodebookRanges;
  readonly #neighbours: CodebookNeighbours;
  /** Greatest magnitude of a level. */
  readonly #most: number;
  readonly #block: CodebookBlock;
  /** The block's elements without their signs, and their weights. */
  readonly #x = new Float32Array(SIZE);
  readonly #weights = new Float32Array(SIZE);
  readonly #real = new Float32Array(16);
  /** Vectors and shifts of the last group that was chosen. */
  readonly #chosen = new Uint16Array(8);
  readonly #down = new Uint8Array(4);
  /** Σ w x m and Σ w m² of the last chosen group, m being its levels. */
  #xm = 0;
  #mm = 0;

  constructor(ranges: CodebookRanges) {
    const { book, levels, groupSize, shiftSize = 8 } = ranges;
    this.#ranges = ranges;
    this.#neighbours = new CodebookNeighbours(book, levels);
    this.#most = Array.from(levels).reduce((most, level) => Math.max(most, Math.abs(level)), 0);
    this.#block = {
      d: 0,
      scales: new Uint8Array(SIZE / groupSize),
      indices: new Uint16Array(SIZE / book.length),
      signs: new Uint8Array(SIZE / 8),
      isShiftedDown: new Uint8Array(SIZE / shiftSize),
    };
  }

  /** Quantizes 256 elements from `from` on. The result is valid until the next call. */
  encode(x: Float32Array, from: number, importance: Float32Array | undefined): CodebookBlock {
    const { groupSize, unit, highest } = this.#ranges;
    const block = this.#block;
    const groups = SIZE / groupSize;
    if (importance) this.#weights.set(importance.subarray(from, from + SIZE));
    else weighByMagnitude(x, from, SIZE, this.#weights);
    this.#takeSigns(x, from);
    for (let group = 0; group < groups; group++) this.#real[group] = this.#fit(group);
    block.d = this.#fitHalf(groups);
    for (let pass = 0; pass < 2; pass++) {
      let [xm, mm] = [0, 0];
      for (let group = 0; group < groups; group++) {
        const step = block.d * unit;
        const s = pass > 0 ? block.scales[group] : this.#nearestScale(group, step, highest);
        block.scales[group] = s;
        this.#choose(group, step * (2 * s + 1));
        this.#keep(group);
        xm += (2 * s + 1) * this.#xm;
        mm += (2 * s + 1) ** 2 * this.#mm;
      }
      if (pass === 0 && mm > 0 && xm > 0) block.d = toHalf(xm / (mm * unit));
    }
    return block;
  }

  /** Separates the elements' signs. Where their number must be even, the sign that matters least is changed. */
  #takeSigns(x: Float32Array, from: number): void {
    const { signs } = this.#ranges;
    const own = this.#x;
    for (let first = 0; first < SIZE; first += 8) {
      let bits = 0;
      let count = 0;
      let least = first;
      for (let i = first; i < first + 8; i++) {
        const value = x[from + i];
        own[i] = signs === 'shift' ? value : Math.abs(value);
        if (value < 0) {
          bits |= 1 << (i - first);
          count++;
        }
        if (this.#weights[i] * value * value < this.#weights[least] * x[from + least] ** 2) least = i;
      }
      if (signs === 'even' && count % 2 === 1) {
        bits ^= 1 << (least - first);
        own[least] = -own[least];
      }
      this.#block.signs[first / 8] = bits;
    }
  }

  /** The best real scale of a group. */
  #fit(group: number): number {
    const { groupSize } = this.#ranges;
    let most = 0;
    for (let i = group * groupSize; i < (group + 1) * groupSize; i++) most = Math.max(most, Math.abs(this.#x[i]));
    if (most < nothing) return 0;
    let best = most / this.#most;
    let explained = 0;
    for (let attempt = 0; attempt < TRIES.length + 2; attempt++) {
      const isRefining = attempt >= TRIES.length;
      this.#choose(group, isRefining ? best : (TRIES[attempt] * most) / this.#most);
      // the remaining error is Σwx² − (Σwxm)² / Σwm²
      const [xm, mm] = [this.#xm, this.#mm];
      if (xm > 0 && xm * xm > explained * mm) {
        explained = (xm * xm) / mm;
        best = xm / mm;
      } else if (isRefining) break;
    }
    return best;
  }

  /** Searches for d, given the real scales. */
  #fitHalf(groups: number): number {
    const { unit, highest, groupSize } = this.#ranges;
    let most = 0;
    for (let group = 0; group < groups; group++) most = Math.max(most, this.#real[group]);
    if (most === 0) return 0;
    let best = most / ((2 * highest + 1) * unit);
    let least = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < 12; attempt++) {
      const d = (most * (0.8 + 0.03 * attempt)) / ((2 * highest + 1) * unit);
      let error = 0;
      for (let group = 0; group < groups; group++) {
        const s = scaleFor(this.#real[group], d * unit, highest);
        let weight = 0;
        for (let i = group * groupSize; i < (group + 1) * groupSize; i++) weight += this.#weights[i];
        error += weight * (d * unit * (2 * s + 1) - this.#real[group]) ** 2;
      }
      if (error < least) {
        least = error;
        best = d;
      }
    }
    return toHalf(best);
  }

  /** The s of a group with the least error. */
  #nearestScale(group: number, step: number, highest: number): number {
    if (step === 0) return 0;
    const s = scaleFor(this.#real[group], step, highest);
    let best = s;
    let least = Number.POSITIVE_INFINITY;
    for (let other = Math.max(0, s - 1); other <= Math.min(highest, s + 1); other++) {
      const scale = step * (2 * other + 1);
      this.#choose(group, scale);
      const error = scale * scale * this.#mm - 2 * scale * this.#xm;
      if (error < least) {
        least = error;
        best = other;
      }
    }
    return best;
  }

  /** Chooses the vectors of a group with a scale, and sums up Σ w x m and Σ w m². */
  #choose(group: number, scale: number): void {
    const { signs, shift = 0, shiftSize = 8, groupSize, book } = this.#ranges;
    this.#xm = 0;
    this.#mm = 0;
    const first = group * groupSize;
    const inverse = scale === 0 ? 0 : 1 / scale;
    if (signs !== 'shift') {
      for (let v = 0; v < groupSize / book.length; v++)
        this.#chosen[v] = this.#search(first + v * book.length, inverse, 0, true);
      return;
    }
    const size = Math.min(shiftSize, groupSize);
    for (let run = 0; run < groupSize / size; run++) {
      const start = first + run * size;
      let least = Number.POSITIVE_INFINITY;
      for (const down of [0, 1]) {
        this.#error = 0;
        for (let i = 0; i < size; i += book.length) this.#search(start + i, inverse, down ? -shift : shift, false);
        if (this.#error < least) {
          least = this.#error;
          this.#down[run] = down;
        }
      }
      for (let i = 0; i < size; i += book.length)
        this.#chosen[(run * size + i) / book.length] = this.#search(
          start + i,
          inverse,
          this.#down[run] ? -shift : shift,
          true,
        );
    }
  }

  #error = 0;

  /** Searches for the vector of the elements from `at` on, and adds its error and, if it is taken, its sums. */
  #search(at: number, inverse: number, shift: number, isTaken: boolean): number {
    const { length } = this.#ranges.book;
    const [x, weights, vectors] = [this.#x, this.#weights, this.#neighbours.vectors];
    const candidates = this.#neighbours.of(x, at, inverse, shift, 0);
    let best = candidates[0];
    let least = Number.POSITIVE_INFINITY;
    for (const candidate of candidates) {
      let error = 0;
      for (let i = 0, from = candidate * length; i < length; i++) {
        const rest = x[at + i] * inverse - shift - vectors[from + i];
        error += weights[at + i] * rest * rest;
      }
      if (error < least) {
        least = error;
        best = candidate;
      }
    }
    this.#error += least;
    if (isTaken)
      for (let i = 0, from = best * length; i < length; i++) {
        const level = vectors[from + i] + shift;
        const weighted = weights[at + i] * level;
        this.#xm += weighted * x[at + i];
        this.#mm += weighted * level;
      }
    return best;
  }

  /** Writes what `choose` chose for a group. */
  #keep(group: number): void {
    const { book, groupSize, signs, shiftSize = 8 } = this.#ranges;
    const vectors = groupSize / book.length;
    for (let v = 0; v < vectors; v++) this.#block.indices[group * vectors + v] = this.#chosen[v];
    if (signs !== 'shift') return;
    const runs = groupSize / Math.min(shiftSize, groupSize);
    for (let run = 0; run < runs; run++) this.#block.isShiftedDown[group * runs + run] = this.#down[run];
  }
}

/** The s whose 2s + 1 steps are nearest to a scale. */
const scaleFor = (scale: number, step: number, highest: number): number =>
  step === 0 ? 0 : Math.max(0, Math.min(highest, Math.round((scale / step - 1) / 2)));

function toHalf(value: number): number {
  return halfToFloat(floatToHalf(value));
}
