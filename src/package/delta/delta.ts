/**
 * A delta makes a piece's new bytes from its old ones:
 *
 *     byte  0        1
 *          [ coder ][ coded ]       coder: a block format's number in GGUF (blockDelta.ts), or 255 for bytes (bytePatch.ts)
 *
 * Neither knows which old bytes it belongs to: the manifest says so, and the hash of the result is always verified.
 */
import { EspalierError } from '../../core/errors.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import { blockFormats } from '../../tensor/formats.ts';
import { BlockDeltaCoder } from './blockDelta.ts';
import { applyBytePatch, encodeBytePatch } from './bytePatch.ts';

const BYTES = 255;

export class DeltaCoder {
  readonly #blocks: BlockDeltaCoder;

  private constructor(blocks: BlockDeltaCoder) {
    this.#blocks = blocks;
  }

  static async create(): Promise<DeltaCoder> {
    return new DeltaCoder(await BlockDeltaCoder.create());
  }

  /**
   * @param format of the piece's blocks, if it is part of a tensor
   * @returns the delta; undefined if none is smaller than `after`
   */
  async encode(before: Uint8Array, after: Uint8Array, format?: BlockFormat): Promise<Uint8Array | undefined> {
    if (
      format &&
      before.length === after.length &&
      after.length % format.blockBytes === 0 &&
      this.#blocks.supports(format)
    ) {
      const coded = this.#blocks.encode(format, before, after);
      if (coded) return headed(format.ggmlType, coded);
    }
    const patch = headed(BYTES, await encodeBytePatch(before, after));
    return patch.length < after.length ? patch : undefined;
  }

  /** @returns a delta from zeros, as many as `after` has bytes; undefined if it is not smaller than `after` */
  async compress(after: Uint8Array, format?: BlockFormat): Promise<Uint8Array | undefined> {
    return this.encode(new Uint8Array(after.length), after, format);
  }

  /** @returns room for `length` old bytes, where the next `decode` of a delta of `deltaLength` bytes does not copy them */
  room(length: number, deltaLength: number): Uint8Array {
    return this.#blocks.room(length, deltaLength);
  }

  /**
   * @param length bytes of the result
   * @returns the result, which lasts until the coder's next call
   * @throws {EspalierError} BAD_DELTA; callers verify the hash of the result
   */
  async decode(before: Uint8Array, delta: Uint8Array, length: number): Promise<Uint8Array> {
    if (delta.length === 0) throw new EspalierError('BAD_DELTA', 'the delta is empty');
    const coded = delta.subarray(1);
    if (delta[0] === BYTES) return applyBytePatch(before, coded, length);
    const format = blockFormats.find(({ ggmlType }) => ggmlType === delta[0]);
    if (!format || !this.#blocks.supports(format))
      throw new EspalierError('BAD_DELTA', `the delta is of an unknown kind, ${delta[0]}`, { kind: delta[0] });
    return this.#blocks.decode(format, before, coded, length);
  }
}

function headed(coder: number, coded: Uint8Array): Uint8Array {
  const delta = new Uint8Array(coded.length + 1);
  delta[0] = coder;
  delta.set(coded, 1);
  return delta;
}
