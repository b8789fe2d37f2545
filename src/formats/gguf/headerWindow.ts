/**
 * A moving window over the start of a file, for parsers that do not know in advance how much they must read.
 * A parser reads values synchronously. If the window is too short, it grows and the parser of the current value
 * runs again. Memory stays near the size of the largest value. The window knows nothing about GGUF.
 */
import { FormatError, grouped } from '../../core/errors.ts';
import type { ByteSource } from '../byteSource.ts';
import { decodeLoosely } from '../utf8.ts';

const FIRST_BYTES = 256 * 1024;
/** Bytes of the length before a string. */
const LENGTH_BYTES = 8;
const STRINGS_AT_ONCE = 1024;

/** Thrown by `#take` and caught by `parse`: the window must have at least `needed` bytes. */
class WindowTooShort {
  constructor(readonly needed: number) {}
}

export class HeaderWindow {
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  /** File offset of the window's first byte. */
  #start = 0;
  /** Next byte to read, relative to the window's start. */
  #next = 0;
  readonly #text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  readonly #source: ByteSource;
  readonly #signal: AbortSignal | undefined;

  constructor(source: ByteSource, signal?: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  /** File offset of the next byte. */
  get offset(): number {
    return this.#start + this.#next;
  }

  /** Remaining bytes of the file. */
  get remaining(): number {
    return this.#source.size - this.offset;
  }

  /** Runs a parser of one value. Repeats it with a larger window while the window is too short. */
  async parse<T>(value: () => T): Promise<T> {
    for (;;) {
      const first = this.#next;
      try {
        return value();
      } catch (error) {
        if (!(error instanceof WindowTooShort)) throw error;
        this.#next = first;
        await this.#grow(error.needed - first);
      }
    }
  }

  /** Reads a number with a DataView getter. */
  number<T>(bytes: number, get: (view: DataView, offset: number) => T): T {
    return get(this.#view, this.#take(bytes));
  }

  u32(): number {
    return this.number(4, (view, at) => view.getUint32(at, true));
  }

  /** Converts a 64-bit count to a number. Counts beyond 2^53 lose precision, but are rejected anyway. */
  u64(): number {
    return this.number(8, (view, at) => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32);
  }

  /** Returns a copy of the next bytes in a new buffer. */
  copy(length: number): Uint8Array<ArrayBuffer> {
    const at = this.#take(length);
    return this.#bytes.slice(at, at + length);
  }

  /**
   * Reads a 64-bit count of items of at least `leastBytes` each.
   * @throws {FormatError} if the file is too short for them, or there are more than `most`
   */
  count(what: string, leastBytes: number, most = Number.MAX_SAFE_INTEGER): number {
    const offset = this.offset;
    const count = this.u64();
    if (count * leastBytes > this.remaining) {
      const needed = `${what} at byte ${grouped(offset)} is ${grouped(count)}, which needs ${grouped(count * leastBytes)} bytes`;
      throw new FormatError(this.#source.name, `${needed} but only ${grouped(this.remaining)} are left`, {
        offset,
        expected: count * leastBytes,
        found: this.remaining,
      });
    }
    if (count > most) {
      const problem = `${what} at byte ${grouped(offset)} is ${grouped(count)}, expected at most ${grouped(most)}`;
      throw new FormatError(this.#source.name, problem, { offset, expected: most, found: count });
    }
    return count;
  }

  /**
   * A string: 64-bit length, then UTF-8. Bytes that are not UTF-8 are kept as lone surrogates, see `decodeLoosely`.
   * @throws {FormatError} if it leaves the file
   */
  string(what: string): string {
    const at = this.#take(this.count(`length of ${what}`, 1));
    return decodeLoosely(this.#bytes.subarray(at, this.#next));
  }

  /** Reads a name, which must be valid UTF-8. @throws {FormatError} if it is not, or leaves the file */
  name(what: string): string {
    const length = this.count(`length of ${what}`, 1);
    const at = this.#take(length);
    try {
      return this.#text.decode(this.#bytes.subarray(at, at + length));
    } catch (cause) {
      const offset = this.#start + at;
      const problem = `${what} at byte ${grouped(offset)} is not valid UTF-8`;
      throw new FormatError(this.#source.name, problem, { offset, expected: 'UTF-8' }, { cause });
    }
  }

  /** Reads consecutive strings. Decodes many at once, because vocabularies have hundreds of thousands. */
  strings(what: string, count: number): string[] {
    const start = this.#next;
    const ends = new Float64Array(count);
    const lengthOf = `length of ${what}`;
    for (let i = 0; i < count; i++) {
      this.#take(this.count(lengthOf, 1));
      ends[i] = this.#next;
    }
    this.#next = start;
    const strings = new Array<string>(count);
    for (let i = 0; i < count; i += STRINGS_AT_ONCE) this.#decodeInto(strings, what, ends, i);
    return strings;
  }

  /** Reads up to `STRINGS_AT_ONCE` strings from index `first` on, which end at `ends`. */
  #decodeInto(strings: string[], what: string, ends: Float64Array, first: number): void {
    const last = Math.min(strings.length, first + STRINGS_AT_ONCE);
    const start = this.#next;
    const packed = new Uint8Array(ends[last - 1] - start);
    /** End of each string in the decoded text, in UTF-16 units. */
    const units = new Float64Array(last - first);
    let length = 0;
    let unit = 0;
    let whole = true;
    for (let i = first, at = start; i < last; i++) {
      at += LENGTH_BYTES;
      if (at < ends[i] && isContinuationByte(this.#bytes[at])) whole = false;
      for (; at < ends[i]; at++) {
        const byte = (packed[length++] = this.#bytes[at]);
        if (!isContinuationByte(byte)) unit += byte >= 0xf0 ? 2 : 1;
      }
      units[i - first] = unit;
    }
    try {
      if (!whole) throw new TypeError('a string starts within a character');
      const text = this.#text.decode(packed.subarray(0, length));
      for (let i = first; i < last; i++)
        strings[i] = text.slice(i === first ? 0 : units[i - first - 1], units[i - first]);
      this.#next = ends[last - 1];
    } catch {
      // at least one is not UTF-8: decode one by one
      for (let i = first; i < last; i++) strings[i] = this.string(what);
    }
  }

  #take(length: number): number {
    const at = this.#next;
    if (at + length > this.#bytes.length) throw new WindowTooShort(at + length);
    this.#next = at + length;
    return at;
  }

  /** Moves the window to the next byte and makes it at least `needed` long and, for linear time, twice as long as before. */
  async #grow(needed: number): Promise<void> {
    const rest = this.#bytes.subarray(this.#next);
    const offset = this.offset;
    const left = this.#source.size - offset;
    if (needed > left) {
      const problem = `the header extends to byte ${grouped(offset + needed)}, but the file has ${grouped(this.#source.size)}: it is truncated`;
      throw new FormatError(this.#source.name, problem, {
        offset,
        expected: offset + needed,
        found: this.#source.size,
      });
    }
    const grown = new Uint8Array(Math.min(left, Math.max(FIRST_BYTES, needed, 2 * rest.length)));
    grown.set(rest);
    await this.#source.read(
      offset + rest.length,
      grown.length - rest.length,
      grown.subarray(rest.length),
      this.#signal,
    );
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
    this.#start = offset;
    this.#next = 0;
  }
}

/** True for a UTF-8 continuation byte (10xxxxxx). */
function isContinuationByte(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
