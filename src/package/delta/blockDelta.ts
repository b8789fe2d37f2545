/**
 * Deltas of quantized blocks and floats: encodes a tensor's bytes relative to its bytes in an older version. The coder is a
 * WebAssembly module (kernels/). kernels/parts/blocks.ts describes the prediction.
 */
import { inflate } from '#leaf/backends/wasm/inflate';
import { EspalierError } from '../../core/errors.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';

interface Kernels {
  readonly memory: WebAssembly.Memory;
  /** First address after the module's static data. */
  readonly heap: number;
  readonly functions: Readonly<Record<string, ((...values: number[]) => number) | undefined>>;
}

const PAGE = 65536;
/** Upper bound for every format: TQ2_0 has most, 16 groups, 256 codes and 2 fields in 66 bytes. */
const MOST_SYMBOLS_PER_BYTE = 5;

let compiled: Promise<WebAssembly.Module> | undefined;

async function instantiate(): Promise<Kernels> {
  compiled ??= compile();
  const { exports } = await WebAssembly.instantiate(await compiled);
  const memory = exports.memory as WebAssembly.Memory;
  const functions = exports as unknown as Kernels['functions'];
  return { memory, heap: functions.heapBase!(), functions };
}

async function compile(): Promise<WebAssembly.Module> {
  const { module } = await import('./built/delta.ts');
  return WebAssembly.compile(await inflate(Uint8Array.from(atob(module), (character) => character.charCodeAt(0))));
}

/**
 * Encodes and decodes deltas in a separate WebAssembly memory. The memory grows to the size that the largest piece needs; drop
 * the coder to free it.
 */
export class BlockDeltaCoder {
  readonly #kernels: Kernels;

  private constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  static async create(): Promise<BlockDeltaCoder> {
    return new BlockDeltaCoder(await instantiate());
  }

  /** True if the format is supported. */
  supports(format: BlockFormat): boolean {
    return this.#kernels.functions[`encode_${format.name}`] !== undefined;
  }

  /**
   * @param before, after whole blocks of the format, of equal length
   * @returns the delta; undefined if it would not be smaller than `after`
   */
  encode(format: BlockFormat, before: Uint8Array, after: Uint8Array): Uint8Array | undefined {
    const blocks = blocksOf(format, before, after.length);
    const { length } = after;
    // before | after | coded, with room for the states | symbols | raw bits
    const [old, now, to, symbols, rest, end] = this.#places(
      length,
      length,
      length + 1024,
      4 * MOST_SYMBOLS_PER_BYTE * length,
      4 * length,
    );
    this.#reserve(end);
    this.#bytes().set(before, old);
    this.#bytes().set(after, now);
    const coded = this.#call(`encode_${format.name}`, old, now, blocks, to, symbols, symbols, rest);
    return coded === 0 || coded >= length ? undefined : this.#bytes().slice(to, to + coded);
  }

  /** @returns room in the coder's memory, where the next `decode` of a delta of `deltaLength` bytes needs its `before` */
  room(length: number, deltaLength: number): Uint8Array {
    const [old, , , end] = this.#places(length, length, deltaLength);
    this.#reserve(end);
    return this.#bytes().subarray(old, old + length);
  }

  /**
   * @param before a copy is spared if it lies in the coder's `room`
   * @param length bytes of the result @returns the bytes after the change, in the coder's memory: they last until its next call
   * @throws {EspalierError} BAD_DELTA if the delta cannot have been made by `encode`; a wrong `before` or a damaged delta may also
   *   yield wrong bytes, so callers verify their hash
   */
  decode(format: BlockFormat, before: Uint8Array, delta: Uint8Array, length: number): Uint8Array {
    const blocks = blocksOf(format, before, length);
    const [old, now, from, end] = this.#places(length, length, delta.length);
    this.#reserve(end);
    if (before.buffer !== this.#kernels.memory.buffer || before.byteOffset !== old) this.#bytes().set(before, old);
    this.#bytes().set(delta, from);
    if (!this.#call(`decode_${format.name}`, old, now, blocks, from, from + delta.length))
      throw new EspalierError('BAD_DELTA', `the delta of ${format.name} blocks is damaged`, { format: format.name });
    return this.#bytes().subarray(now, now + length);
  }

  /** Addresses of regions of these sizes, aligned, and the end of the last. */
  #places(...sizes: readonly number[]): number[] {
    const places = [this.#kernels.heap];
    for (const size of sizes) places.push(places.at(-1)! + Math.ceil(size / 16) * 16 + 16);
    return places;
  }

  #reserve(end: number): void {
    const { memory } = this.#kernels;
    if (end > memory.buffer.byteLength) memory.grow(Math.ceil((end - memory.buffer.byteLength) / PAGE));
  }

  #bytes(): Uint8Array {
    return new Uint8Array(this.#kernels.memory.buffer);
  }

  #call(name: string, ...values: number[]): number {
    return this.#kernels.functions[name]!(...values);
  }
}

function blocksOf(format: BlockFormat, before: Uint8Array, length: number): number {
  const blocks = length / format.blockBytes;
  if (before.length === length && Number.isInteger(blocks)) return blocks;
  const message = `a delta of ${format.name} blocks needs the same whole blocks before and after: ${before.length} and ${length} bytes`;
  throw new EspalierError('BAD_DELTA', message, { format: format.name, before: before.length, after: length });
}
