/**
 * Vectors of a codebook near to some elements: the neighbours of the elements' rounded digits, as in ggml (quantize_row_iq2_xxs_impl and
 * others).
 */
import type { Codebook } from './codebooks.ts';

const NEIGHBOURS = 16;

export class CodebookNeighbours {
  /** Levels of all vectors, [vectors, length]. */
  readonly vectors: Float32Array;
  readonly #length: number;
  readonly #levels: ArrayLike<number>;
  readonly #middles: Float32Array;
  /** Neighbours by the number that the digits write. */
  readonly #found: (Uint16Array | undefined)[];

  /** @param levels of the digits, ascending */
  constructor({ digits, length }: Codebook, levels: ArrayLike<number>) {
    this.vectors = Float32Array.from(digits, (digit) => levels[digit]);
    this.#length = length;
    this.#levels = levels;
    this.#middles = Float32Array.from({ length: levels.length - 1 }, (_, i) => (levels[i] + levels[i + 1]) / 2);
    this.#found = new Array(levels.length ** length);
  }

  /** The vectors near to some elements. @param negative signs of 8 elements as bits */
  of(x: Float32Array, from: number, inverse: number, shift: number, negative: number): Uint16Array {
    const [length, levels] = [this.#length, this.#levels];
    let key = 0;
    for (let i = from + length - 1; i >= from; i--) {
      const value = (negative & (1 << i) ? -x[i] : x[i]) * inverse - shift;
      let digit = 0;
      while (digit < levels.length - 1 && value > this.#middles[digit]) digit++;
      key = key * levels.length + digit;
    }
    return (this.#found[key] ??= this.#nearest(key));
  }

  /** The vectors nearest to rounded digits. */
  #nearest(key: number): Uint16Array {
    const [length, levels] = [this.#length, this.#levels];
    const point = new Float32Array(length);
    for (let i = 0, rest = key; i < length; i++, rest = Math.floor(rest / levels.length))
      point[i] = levels[rest % levels.length];
    const count = this.vectors.length / length;
    const found = new Uint16Array(NEIGHBOURS);
    const distances = new Float32Array(NEIGHBOURS).fill(Number.POSITIVE_INFINITY);
    for (let vector = 0; vector < count; vector++) {
      let distance = 0;
      for (let i = 0; i < length; i++) distance += (point[i] - this.vectors[vector * length + i]) ** 2;
      let place = NEIGHBOURS;
      while (place > 0 && distance < distances[place - 1]) place--;
      if (place === NEIGHBOURS) continue;
      distances.copyWithin(place + 1, place, NEIGHBOURS - 1);
      found.copyWithin(place + 1, place, NEIGHBOURS - 1);
      distances[place] = distance;
      found[place] = vector;
    }
    return found;
  }
}
