/**
 * The durable state of a federation: a snapshot of the last closed round, and the events since. Entries are framed, so that an entry
 * torn by a crash is found and left out: length (uint32), length of its head (uint32), the first 8 bytes of the SHA-256 of its head and
 * of the SHA-256 of its content, head, content. The hash of an update is known already, from its signature.
 */
import { sha256 } from '#leaf/formats/download/sha256';
import { concatenated } from '../../core/concatenated.ts';
import { hashOf } from '../../formats/packages/hash.ts';
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
   * @param head of the entry; `content` follows, which nobody changes: it is not copied
   * @param hash SHA-256 of `content`, if it is known
   */
  append(head: Uint8Array, content?: Uint8Array, hash?: string): Promise<void>;
  /** Replaces snapshot and entries by a new snapshot, completely or not at all. Nothing is appended meanwhile. */
  replace(snapshot: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Bytes in front of an entry. */
const FRAME_HEAD = 16;
const NOTHING: Uint8Array = new Uint8Array();

/** The bytes in front of an entry. @param hash SHA-256 of the content */
export function frameHead(head: Uint8Array, content = NOTHING, hash = hashOf(content)): Uint8Array {
  const frame = new Uint8Array(FRAME_HEAD);
  const view = new DataView(frame.buffer);
  view.setUint32(0, head.length + content.length, true);
  view.setUint32(4, head.length, true);
  const check = sha256();
  check.update(head);
  check.update(hexToBytes(hash));
  frame.set(hexToBytes(check.hex().slice(0, 16)), 8);
  return frame;
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
    const frame = await read(at, FRAME_HEAD);
    const view = new DataView(frame.buffer, frame.byteOffset);
    const [length, headLength] = [view.getUint32(0, true), view.getUint32(4, true)];
    at += FRAME_HEAD;
    if (at + length > size || headLength > length) return;
    const entry = await read(at, length);
    const expected = frameHead(entry.subarray(0, headLength), entry.subarray(headLength));
    if (expected.some((byte, i) => byte !== frame[i])) return;
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
    append: async (head, content = NOTHING) => void entries.push(concatenated([head, content])),
    async replace(next) {
      snapshot = next;
      entries = [];
    },
    close: async () => {},
  };
}
