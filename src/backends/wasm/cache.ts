/** KV cache in the WebAssembly memory. kernels/parts/cache.ts documents its layout. */
import { EspalierError, OptionError } from '../../core/errors.ts';
import type { Cache } from '../../graph/step.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import type { Arena } from './arena.ts';

/** Head size in the cache: rounded up to a multiple of 8. */
export function filledHead(headSize: number): number {
  return Math.ceil(headSize / 8) * 8;
}

/** @param layers padded elements per position of each layer's keys */
export function cacheBytes(layers: readonly number[], size: CacheSize, kv: BlockFormat): number {
  const elements = layers.reduce((sum, width) => sum + width, 0) * 2 * paddedContext(size.context) * size.sequences;
  return bytesOf(kv, elements);
}

interface CacheSize {
  readonly context: number;
  readonly sequences: number;
}

/** Positions, rounded up to a multiple of 8. */
function paddedContext(context: number): number {
  return Math.ceil(context / 8) * 8;
}

export class WasmCache implements Cache {
  readonly context: number;
  readonly sequences: number;
  readonly bytes: number;
  readonly address: number;
  readonly kind: number;
  /** Positions, rounded up to a multiple of 8. */
  readonly padded: number;
  /** Undefined after `free`. */
  #arena: Arena | undefined;

  /** @param layers padded elements per position of each layer's keys */
  constructor(arena: Arena, layers: readonly number[], size: CacheSize, kv: BlockFormat, kind: number) {
    this.context = size.context;
    this.sequences = size.sequences;
    this.kind = kind;
    this.padded = paddedContext(size.context);
    this.bytes = cacheBytes(layers, size, kv);
    this.#arena = arena;
    this.address = arena.allocate(this.bytes, 'keys and values');
    // kernels multiply unwritten positions by 0, so they must not be NaN
    new Uint8Array(arena.memory.buffer, this.address, this.bytes).fill(0);
  }

  async copyFrom(other: Cache, _positions: number): Promise<void> {
    if (
      !(other instanceof WasmCache) ||
      other.bytes !== this.bytes ||
      other.kind !== this.kind ||
      other.sequences !== this.sequences
    )
      throw new OptionError('cache', 'of another program or size', 'a cache of the same program and size');
    if (!this.#arena) throw new EspalierError('DISPOSED', 'the cache was freed');
    // tiles interleave positions and heads, so all of it is copied
    new Uint8Array(this.#arena.memory.buffer).copyWithin(this.address, other.address, other.address + this.bytes);
  }

  free(): void {
    this.#arena?.release(this.address);
    this.#arena = undefined;
  }
}
