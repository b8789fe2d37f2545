/** KV cache in f32, with values rounded to the format it represents. */
import { OptionError } from '../../core/errors.ts';
import type { Cache } from '../../graph/step.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import type { Matrix } from './kernel.ts';

export class ReferenceCache implements Cache {
  readonly context: number;
  readonly sequences: number;
  readonly bytes: number;
  readonly #format: BlockFormat;
  /** [sequences · context, G·K] per layer. */
  readonly #keys: Float32Array[];
  readonly #values: Float32Array[];

  /** @param widths key heads times head size, per layer */
  constructor(context: number, sequences: number, widths: readonly number[], format: BlockFormat) {
    this.context = context;
    this.sequences = sequences;
    this.#format = format;
    const rows = sequences * context;
    this.#keys = widths.map((width) => new Float32Array(rows * width));
    this.#values = widths.map((width) => new Float32Array(rows * width));
    this.bytes = widths.reduce((sum, width) => sum + 2 * 4 * rows * width, 0);
  }

  keys(layer: number): Float32Array {
    return this.#keys[layer]!;
  }

  values(layer: number): Float32Array {
    return this.#values[layer]!;
  }

  /** Stores rows of all sequences from `position`, each rounded to the cache's format. */
  store(into: Float32Array, rows: Matrix, position: number, width: number): void {
    const { blockSize, blockBytes } = this.#format;
    const blocks = rows.length / blockSize / this.sequences;
    const bytes = new Uint8Array(blocks * blockBytes);
    for (let sequence = 0; sequence < this.sequences; sequence++) {
      this.#format.encode(Float32Array.from(rows), sequence * blocks * blockSize, bytes, 0, blocks);
      this.#format.decode(bytes, 0, into, (sequence * this.context + position) * width, blocks);
    }
  }

  async copyFrom(other: Cache, positions: number): Promise<void> {
    if (!(other instanceof ReferenceCache) || other.sequences !== this.sequences)
      throw new OptionError('cache', 'of another program or size', 'a cache of the same program and size');
    for (const [layer, keys] of this.#keys.entries()) {
      const width = keys.length / this.context / this.sequences;
      for (let sequence = 0; sequence < this.sequences; sequence++) {
        const from = sequence * other.context * width;
        const [first, count] = [sequence * this.context * width, positions * width];
        keys.set(other.#keys[layer]!.subarray(from, from + count), first);
        this.#values[layer]!.set(other.#values[layer]!.subarray(from, from + count), first);
      }
    }
  }

  free(): void {
    this.#keys.length = 0;
    this.#values.length = 0;
  }
}
