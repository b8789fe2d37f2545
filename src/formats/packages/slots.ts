/**
 * A small record that survives interrupted writes. It has slots that are written in turn, so that an interrupted write only damages the
 * oldest one. A slot is valid if its checksum matches; the one with the highest sequence number is current.
 */
import { canonicalJson, type Json } from './canonicalJson.ts';
import { hashOf } from './hash.ts';
import type { StoreFiles } from './storeFiles.ts';

/** Paths of a record's slots. */
export const slotsOf = (path: string, count: number) => Array.from({ length: count }, (_, i) => `${path}.${i}`);

/**
 * @param path of the record without the slots' suffixes @param most maximum bytes of a slot @param count number of slots
 * @returns undefined if nothing was ever written
 */
export async function readSlots<T extends { readonly sequence: number }>(
  files: StoreFiles,
  path: string,
  most: number,
  count = 2,
): Promise<T | undefined> {
  const found = await Promise.all(slotsOf(path, count).map((slot) => readSlot<T>(files, slot, most)));
  return found.reduce((a, b) => (a && b ? (a.sequence > b.sequence ? a : b) : (a ?? b)));
}

export async function writeSlots<T extends { readonly sequence: number }>(
  files: StoreFiles,
  path: string,
  record: T,
  count = 2,
): Promise<void> {
  const body = canonicalJson(record as unknown as Json);
  const text = canonicalJson({ record: body, sha256: hashOf(new TextEncoder().encode(body)) });
  await files.write(slotsOf(path, count)[record.sequence % count], new TextEncoder().encode(text));
}

async function readSlot<T>(files: StoreFiles, path: string, most: number): Promise<T | undefined> {
  const size = await files.size(path);
  if (size === undefined || size > most) return undefined;
  const bytes = new Uint8Array(size);
  await files.read(path, 0, bytes);
  try {
    const { record, sha256 } = JSON.parse(new TextDecoder().decode(bytes));
    return hashOf(new TextEncoder().encode(record)) === sha256 ? JSON.parse(record) : undefined;
  } catch {
    // an interrupted write
    return undefined;
  }
}
