/** Whole numbers in LEB128: 7 bits a byte, least significant first; signed ones in zigzag. Up to 2^53 − 1. */
import { EspalierError } from '../../core/errors.ts';

export class ByteWriter {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  unsigned(value: number): this {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#bytes.push((rest % 128) + 128);
    this.#bytes.push(rest);
    return this;
  }

  signed(value: number): this {
    return this.unsigned(value < 0 ? -2 * value - 1 : 2 * value);
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

export class ByteReader {
  /** Offset of the next byte. */
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @throws {EspalierError} BAD_DELTA at the end of the bytes, or beyond 2^53 − 1 */
  unsigned(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) throw new EspalierError('BAD_DELTA', 'the delta ends within a number');
      value += (byte & 127) * scale;
      if (!Number.isSafeInteger(value)) throw new EspalierError('BAD_DELTA', 'the delta has a number beyond 2^53');
      if (byte < 128) return value;
    }
  }

  signed(): number {
    const value = this.unsigned();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }
}
