/**
 * A small record that survives interrupted writes. It has two slots that are written alternately, so that an interrupted write only damages the
 * older one. A slot is valid if its checksum matches; the one with the higher sequence number is current.
 */
import { canonicalJson, type Json } from './canonicalJson.ts';
import { hashOf } from './hash.ts';
import type { StoreFiles } from './storeFiles.ts';

const slots = (path: string) => [`${path}.0`, `${path}.1`] as const;

/** @param path of the record without the slots' suffixes @param most maximum bytes of a slot @returns undefined if nothing was ever written */
export async function readSlots<T extends { readonly sequence: number }>(
  files: StoreFiles,
  path: string,
  most: number,
): Promise<T | undefined> {
  const found = await Promise.all(slots(path).map((slot) => readSlot<T>(files, slot, most)));
  return found.reduce((a, b) => (a && b ? (a.sequence > b.sequence ? a : b) : (a ?? b)));
}

export async function writeSlots<T extends { readonly sequence: number }>(
  files: StoreFiles,
  path: string,
  record: T,
): Promise<void> {
  const body = canonicalJson(record as unknown as Json);
  const text = canonicalJson({ record: body, sha256: hashOf(new TextEncoder().encode(body)) });
  await files.write(slots(path)[record.sequence % 2]!, new TextEncoder().encode(text));
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
