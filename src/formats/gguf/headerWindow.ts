/**
 * A moving window over the head of a file, for parsers that do not know beforehand how far they must read.
 * A parser takes values synchronously; when the window ends too soon, it is grown and the parser of the value at
 * hand runs again. Memory stays near the largest single value. It knows nothing of GGUF's layout.
 */
import { FormatError, grouped } from '../../core/errors.ts';
import type { ByteSource } from '../byteSource.ts';

const FIRST_BYTES = 256 * 1024;
/** Of the length before a string. */
const LENGTH_BYTES = 8;
const STRINGS_AT_ONCE = 1024;

/** Thrown by `take` and caught by `parse`: the window must reach this many bytes from its start. */
class WindowTooShort {
  constructor(readonly needed: number) {}
}

export class HeaderWindow {
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  /** File offset of the window's first byte. */
  #start = 0;
  /** The next byte to take, counted from the window's start. */
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

  /** Bytes of the file from here on. */
  get remaining(): number {
    return this.#source.size - this.offset;
  }

  /** Runs a parser of one value, again with a larger window as long as it finds it too short. */
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

  /** A number through a getter of DataView's kind. */
  number<T>(bytes: number, get: (view: DataView, offset: number) => T): T {
    return get(this.#view, this.#take(bytes));
  }

  u32(): number {
    return this.number(4, (view, at) => view.getUint32(at, true));
  }

  /** Exact as far as numbers are, near enough beyond to be refused. */
  u64(): number {
    return this.number(8, (view, at) => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32);
  }

  /** A copy of the next bytes, at the start of a buffer of its own. */
  copy(length: number): Uint8Array<ArrayBuffer> {
    const at = this.#take(length);
    return this.#bytes.slice(at, at + length);
  }

  /**
   * A 64-bit count of things that take at least `leastBytes` each.
   * @throws {FormatError} when the file is too short to hold them, or they are more than `most`
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

  /** A string: 64-bit length, then UTF-8. @throws {FormatError} when it is not UTF-8 or leaves the file */
  string(what: string): string {
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

  /** Strings one after another, decoded many at once: vocabularies have hundreds of thousands. */
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

  /** Takes `STRINGS_AT_ONCE` strings from the `first` on, or as many as there are, which end at `ends`. */
  #decodeInto(strings: string[], what: string, ends: Float64Array, first: number): void {
    const last = Math.min(strings.length, first + STRINGS_AT_ONCE);
    const start = this.#next;
    const packed = new Uint8Array(ends[last - 1] - start);
    /** Where each ends in the decoded text, in UTF-16 units. */
    const units = new Float64Array(last - first);
    let length = 0;
    let unit = 0;
    let whole = true;
    for (let i = first, at = start; i < last; i++) {
      at += LENGTH_BYTES;
      if (at < ends[i] && isContinuation(this.#bytes[at])) whole = false;
      for (; at < ends[i]; at++) {
        const byte = (packed[length++] = this.#bytes[at]);
        if (!isContinuation(byte)) unit += byte >= 0xf0 ? 2 : 1;
      }
      units[i - first] = unit;
    }
    try {
      if (!whole) throw new TypeError('a string begins within a character');
      const text = this.#text.decode(packed.subarray(0, length));
      for (let i = first; i < last; i++)
        strings[i] = text.slice(i === first ? 0 : units[i - first - 1], units[i - first]);
      this.#next = ends[last - 1];
    } catch {
      // one by one, to name the one that is wrong
      for (let i = first; i < last; i++) strings[i] = this.string(what);
    }
  }

  #take(length: number): number {
    const at = this.#next;
    if (at + length > this.#bytes.length) throw new WindowTooShort(at + length);
    this.#next = at + length;
    return at;
  }

  /** Moves the window to the next byte and makes it at least `needed` and, to stay linear, twice as long. */
  async #grow(needed: number): Promise<void> {
    const rest = this.#bytes.subarray(this.#next);
    const offset = this.offset;
    const left = this.#source.size - offset;
    if (needed > left) {
      const problem = `the header goes on to byte ${grouped(offset + needed)} but the file has ${grouped(this.#source.size)}: it is truncated`;
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

/** Whether a byte of UTF-8 goes on with a character begun before. */
function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
