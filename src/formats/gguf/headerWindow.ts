/**
 * A moving window over the head of a file, for parsers that do not know beforehand how far they must read.
 * A parser takes values synchronously; when the window ends too soon, it is grown and the parser of the value at
 * hand runs again. Memory stays near the largest single value. It knows nothing of GGUF's layout.
 */
import { FormatError, grouped } from '../../core/errors.ts';
import type { ByteSource } from '../byteSource.ts';

const FIRST_BYTES = 256 * 1024;

/** Thrown by `take` and caught by `parse`: the window must reach this many bytes from its start. */
class WindowTooShort {
  constructor(readonly needed: number) {}
}

export class HeaderWindow {
  private bytes = new Uint8Array(0);
  private view = new DataView(this.bytes.buffer);
  /** File offset of the window's first byte. */
  private start = 0;
  /** The next byte to take, counted from the window's start. */
  private next = 0;
  private readonly text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(
    private readonly source: ByteSource,
    private readonly signal?: AbortSignal,
  ) {}

  /** File offset of the next byte. */
  get offset(): number {
    return this.start + this.next;
  }

  /** Bytes of the file from here on. */
  get remaining(): number {
    return this.source.size - this.offset;
  }

  /** Runs a parser of one value, again with a larger window as long as it finds it too short. */
  async parse<T>(value: () => T): Promise<T> {
    for (;;) {
      const first = this.next;
      try {
        return value();
      } catch (error) {
        if (!(error instanceof WindowTooShort)) throw error;
        this.next = first;
        await this.grow(error.needed - first);
      }
    }
  }

  /** A number through a getter of DataView's kind. */
  number<T>(bytes: number, get: (view: DataView, offset: number) => T): T {
    return get(this.view, this.take(bytes));
  }

  u32(): number {
    return this.number(4, (view, at) => view.getUint32(at, true));
  }

  /** A copy of the next bytes, at the start of a buffer of its own. */
  copy(length: number): Uint8Array<ArrayBuffer> {
    const at = this.take(length);
    return this.bytes.slice(at, at + length);
  }

  /**
   * A 64-bit count of things that take at least `leastBytes` each.
   * @throws {FormatError} when the file is too short to hold them, or they are more than `most`
   */
  count(what: string, leastBytes: number, most = Number.MAX_SAFE_INTEGER): number {
    const offset = this.offset;
    const count = this.number(8, (view, at) => view.getBigUint64(at, true));
    const needed = count * BigInt(leastBytes);
    if (needed > this.remaining) {
      const claim = `${what} at byte ${grouped(offset)} is ${grouped(count)}, which needs ${grouped(needed)} bytes`;
      throw new FormatError(this.source.name, `${claim} but only ${grouped(this.remaining)} are left`, {
        offset,
        expected: Number(needed),
        found: this.remaining,
      });
    }
    if (count > most) {
      const problem = `${what} at byte ${grouped(offset)} is ${grouped(count)}, expected at most ${grouped(most)}`;
      throw new FormatError(this.source.name, problem, { offset, expected: most, found: Number(count) });
    }
    return Number(count);
  }

  /** A string: 64-bit length, then UTF-8. @throws {FormatError} when it is not UTF-8 or leaves the file */
  string(what: string): string {
    const length = this.count(`length of ${what}`, 1);
    const at = this.take(length);
    try {
      return this.text.decode(this.bytes.subarray(at, at + length));
    } catch (cause) {
      const offset = this.start + at;
      const problem = `${what} at byte ${grouped(offset)} is not valid UTF-8`;
      throw new FormatError(this.source.name, problem, { offset, expected: 'UTF-8' }, { cause });
    }
  }

  private take(length: number): number {
    const at = this.next;
    if (at + length > this.bytes.length) throw new WindowTooShort(at + length);
    this.next = at + length;
    return at;
  }

  /** Moves the window to the next byte and makes it at least `needed` and, to stay linear, twice as long. */
  private async grow(needed: number): Promise<void> {
    const rest = this.bytes.subarray(this.next);
    const offset = this.offset;
    const left = this.source.size - offset;
    if (needed > left) {
      const problem = `the header goes on to byte ${grouped(offset + needed)} but the file has ${grouped(this.source.size)}: it is truncated`;
      throw new FormatError(this.source.name, problem, { offset, expected: offset + needed, found: this.source.size });
    }
    const grown = new Uint8Array(Math.min(left, Math.max(FIRST_BYTES, needed, 2 * rest.length)));
    grown.set(rest);
    await this.source.read(offset + rest.length, grown.length - rest.length, grown.subarray(rest.length), this.signal);
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
    this.start = offset;
    this.next = 0;
  }
}
