/**
 * The durable state of a federation: a snapshot of the last closed round, and the events since. Entries are framed as length
 * (uint32), SHA-256 (first 8 bytes) and content, so that an entry torn by a crash is found and left out.
 */
import { sha256 } from '#leaf/formats/download/sha256';
import { concatenated } from '../../core/concatenated.ts';
import { hexToBytes } from '../encoding.ts';

export interface Journal {
  /**
   * Reads the snapshot and the whole entries after it, one at a time. A torn entry at the end is removed: read to the end before
   * you append.
   */
  read(): Promise<{ readonly snapshot?: Uint8Array; readonly entries: AsyncIterable<Uint8Array> }>;
  /**
   * Appends an entry, which is durable when the promise resolves. More may be appended meanwhile; they keep their order. After an
   * error none is.
   * @param parts of the entry, which nobody changes: large ones are not copied
   */
  append(...parts: readonly Uint8Array[]): Promise<void>;
  /** Replaces snapshot and entries by a new snapshot, completely or not at all. Nothing is appended meanwhile. */
  replace(snapshot: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Bytes in front of an entry. */
const FRAME_HEAD = 12;

/** The bytes in front of an entry: its length, and the first 8 bytes of its SHA-256. */
export function frameHead(...parts: readonly Uint8Array[]): Uint8Array {
  const head = new Uint8Array(FRAME_HEAD);
  const hash = sha256();
  for (const part of parts) hash.update(part);
  new DataView(head.buffer).setUint32(0, lengthOf(parts), true);
  head.set(hexToBytes(hash.hex().slice(0, 16)), 4);
  return head;
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/**
 * Yields the entries of a file up to the first torn one, with the place where each ends.
 * @param read returns bytes of the file
 */
export async function* entriesOf(
  size: number,
  read: (offset: number, length: number) => Promise<Uint8Array>,
): AsyncGenerator<{ readonly entry: Uint8Array; readonly end: number }> {
  for (let at = 0; at + FRAME_HEAD <= size; ) {
    const head = await read(at, FRAME_HEAD);
    const length = new DataView(head.buffer, head.byteOffset).getUint32(0, true);
    at += FRAME_HEAD;
    if (at + length > size) return;
    const entry = await read(at, length);
    if (frameHead(entry).some((byte, i) => byte !== head[i])) return;
    at += length;
    yield { entry, end: at };
  }
}

/** A journal in memory: for simulations and tests. */
export function memoryJournal(): Journal {
  let snapshot: Uint8Array | undefined;
  let entries: Uint8Array[] = [];
  async function* all() {
    yield* [...entries];
  }
  return {
    read: async () => ({ snapshot, entries: all() }),
    append: async (...parts) => void entries.push(concatenated(parts)),
    async replace(next) {
      snapshot = next;
      entries = [];
    },
    close: async () => {},
  };
}
