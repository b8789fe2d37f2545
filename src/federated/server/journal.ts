/**
 * The durable state of a federation: a snapshot of the last closed round, and the events since. Entries are framed as length
 * (uint32), SHA-256 (first 8 bytes) and content, so that an entry torn by a crash is found and left out.
 */
import { hashOf } from '../../formats/packages/hash.ts';
import { hexToBytes } from '../encoding.ts';

export interface Journal {
  /** Reads the snapshot and the whole entries after it. A torn entry at the end is removed. */
  read(): Promise<{ readonly snapshot?: Uint8Array; readonly entries: readonly Uint8Array[] }>;
  /** Appends an entry. It is durable when the promise resolves. */
  append(entry: Uint8Array): Promise<void>;
  /** Replaces snapshot and entries by a new snapshot, completely or not at all. */
  replace(snapshot: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

const HEADER = 12;

export function frame(entry: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + entry.length);
  new DataView(bytes.buffer).setUint32(0, entry.length, true);
  bytes.set(checkOf(entry), 4);
  bytes.set(entry, HEADER);
  return bytes;
}

/** First 8 bytes of the entry's SHA-256. */
function checkOf(entry: Uint8Array): Uint8Array {
  return hexToBytes(hashOf(entry).slice(0, 16));
}

/** @returns the whole entries and the number of bytes that they take */
export function unframe(bytes: Uint8Array): { readonly entries: Uint8Array[]; readonly length: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at + HEADER <= bytes.length) {
    const length = view.getUint32(at, true);
    if (at + HEADER + length > bytes.length) break;
    const entry = bytes.subarray(at + HEADER, at + HEADER + length);
    const hash = checkOf(entry);
    if (bytes.subarray(at + 4, at + HEADER).some((byte, i) => byte !== hash[i])) break;
    entries.push(entry);
    at += HEADER + length;
  }
  return { entries, length: at };
}

/** A journal in memory: for simulations and tests. */
export function memoryJournal(): Journal {
  let snapshot: Uint8Array | undefined;
  let entries: Uint8Array[] = [];
  return {
    read: async () => ({ snapshot, entries: [...entries] }),
    append: async (entry) => void entries.push(entry.slice()),
    async replace(next) {
      snapshot = next;
      entries = [];
    },
    close: async () => {},
  };
}
