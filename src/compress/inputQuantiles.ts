/**
 * Quantiles of the absolute values of an input of products, and the channels that stand out. They are collected in a histogram whose bins
 * are the leading bits of floats: 32 bins for each power of two, so a quantile is right to 1.6%, in constant memory and in any order.
 */

/** Shares of the values below each quantile. The last one is the maximum. */
export const QUANTILES = [0.5, 0.9, 0.99, 0.999, 1] as const;

export interface InputQuantiles {
  /** Weights that read this input. */
  readonly tensors: readonly string[];
  /** Number of values. */
  readonly values: number;
  /** Quantiles of |x|, by `QUANTILES`. */
  readonly quantiles: readonly number[];
  /** Channels whose root mean square is over six times the median one, the largest first; 16 at most. */
  readonly outliers: readonly OutlyingChannel[];
}

export interface OutlyingChannel {
  readonly channel: number;
  /** Root mean square, relative to the median of the channels. */
  readonly ratio: number;
}

/** Bits of a float below its bin: the last 18 of 23 of the mantissa. */
const SHIFT = 18;
/** Bins of all floats without their sign. */
const BINS = 2 ** (31 - SHIFT);
const OUTLYING = 6;
const MOST_OUTLIERS = 16;

export class InputHistogram {
  readonly #channels: number;
  readonly #bins = new Float64Array(BINS);
  readonly #squares: Float64Array;
  #values = 0;
  #maximum = 0;

  constructor(channels: number) {
    this.#channels = channels;
    this.#squares = new Float64Array(channels);
  }

  /** @param rows [tokens, channels] */
  add(rows: Float32Array): void {
    const n = this.#channels;
    const bits = new Uint32Array(rows.buffer, rows.byteOffset, rows.length);
    const [bins, squares] = [this.#bins, this.#squares];
    let maximum = this.#maximum;
    for (let row = 0; row < rows.length; row += n)
      for (let i = 0; i < n; i++) {
        const value = rows[row + i];
        bins[(bits[row + i] & 0x7fffffff) >>> SHIFT]++;
        squares[i] += value * value;
        if (value > maximum) maximum = value;
        else if (-value > maximum) maximum = -value;
      }
    this.#maximum = maximum;
    this.#values += rows.length;
  }

  result(tensors: readonly string[]): InputQuantiles {
    return {
      ...{ tensors, values: this.#values, quantiles: QUANTILES.map((share) => this.#quantile(share)) },
      outliers: outliersOf(this.#squares),
    };
  }

  /** The middle of the bin of the value with so many below or beside it. */
  #quantile(share: number): number {
    if (share === 1) return this.#maximum;
    const wanted = Math.ceil(share * this.#values);
    let count = 0;
    for (let bin = 0; bin < BINS; bin++) {
      count += this.#bins[bin];
      if (count < wanted || count === 0) continue;
      const middle = bin === 0 ? 0 : bin * 2 ** SHIFT + 2 ** (SHIFT - 1);
      return Math.min(this.#maximum, new Float32Array(Uint32Array.of(middle).buffer)[0]);
    }
    return 0;
  }
}

/** @param squares sum of squares of each channel */
export function outliersOf(squares: ArrayLike<number>): OutlyingChannel[] {
  const roots = Array.from(squares, Math.sqrt);
  const median = roots.slice().sort((a, b) => a - b)[Math.floor(roots.length / 2)];
  if (!(median > 0)) return [];
  return roots
    .map((root, channel) => ({ channel, ratio: Number((root / median).toPrecision(3)) }))
    .filter(({ ratio }) => ratio > OUTLYING)
    .sort((a, b) => b.ratio - a.ratio)
    .slice(0, MOST_OUTLIERS);
}

/** One sentence for a person; undefined if no channel stands out. */
export function describeOutliers({
  tensors,
  outliers,
}: Pick<InputQuantiles, 'tensors' | 'outliers'>): string | undefined {
  if (outliers.length === 0) return undefined;
  const list = outliers.slice(0, 4).map(({ channel, ratio }) => `${channel} (${ratio} ×)`);
  const more = outliers.length > list.length ? ', …' : '';
  return `${tensors[0]}: input channels ${list.join(', ')}${more} are far above the median`;
}
