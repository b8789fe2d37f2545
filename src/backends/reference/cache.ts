/** Keys and values of a session, f32 rounded through the format they stand for. */
import type { Cache } from '../../graph/program.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import type { Matrix } from './kernel.ts';

export class ReferenceCache implements Cache {
  readonly context: number;
  readonly bytes: number;
  readonly #format: BlockFormat;
  /** By layer: [context, G·K]. */
  readonly #keys: Float32Array[];
  readonly #values: Float32Array[];

  /** @param widths by layer: key heads times head size */
  constructor(context: number, widths: readonly number[], format: BlockFormat) {
    this.context = context;
    this.#format = format;
    this.#keys = widths.map((width) => new Float32Array(context * width));
    this.#values = widths.map((width) => new Float32Array(context * width));
    this.bytes = widths.reduce((sum, width) => sum + 2 * 4 * context * width, 0);
  }

  keys(layer: number): Float32Array {
    return this.#keys[layer]!;
  }

  values(layer: number): Float32Array {
    return this.#values[layer]!;
  }

  /** Stores rows from `position`, each rounded to the cache's format. */
  store(into: Float32Array, rows: Matrix, position: number, width: number): void {
    const { blockSize, blockBytes } = this.#format;
    const at = position * width;
    const blocks = rows.length / blockSize;
    const bytes = new Uint8Array(blocks * blockBytes);
    this.#format.encode(Float32Array.from(rows), 0, bytes, 0, blocks);
    this.#format.decode(bytes, 0, into, at, blocks);
  }

  copyFrom(other: Cache, positions: number): void {
    if (!(other instanceof ReferenceCache)) throw new TypeError('caches of different programs');
    for (const [layer, keys] of this.#keys.entries()) {
      const count = (keys.length / this.context) * positions;
      keys.set(other.#keys[layer]!.subarray(0, count));
      this.#values[layer]!.set(other.#values[layer]!.subarray(0, count));
    }
  }

  free(): void {
    this.#keys.length = 0;
    this.#values.length = 0;
  }
}
