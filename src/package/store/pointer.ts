/**
 * The pointer to a package's current generation. It has two slots that are written alternately, so that an interrupted write
 * only damages the older one. A slot is valid if its checksum matches; the one with the higher sequence number is current.
 */
import { canonicalJson } from '../canonicalJson.ts';
import { hashOf } from '../hash.ts';
import type { StoreFiles } from './storeFiles.ts';

export interface Pointer {
  /** Increases by one with every change. */
  readonly sequence: number;
  readonly generation: string;
  /** Previous generation, kept for a rollback. */
  readonly previous?: string;
}

const MAX_SLOT_BYTES = 4096;
const slots = ['current.0', 'current.1'] as const;

/** @param folder folder of the package in the store @returns undefined if nothing was ever installed */
export async function readPointer(files: StoreFiles, folder: string): Promise<Pointer | undefined> {
  const found = await Promise.all(slots.map((slot) => readSlot(files, `${folder}/${slot}`)));
  return found.reduce((a, b) => (a && b ? (a.sequence > b.sequence ? a : b) : (a ?? b)));
}

export async function writePointer(files: StoreFiles, folder: string, pointer: Pointer): Promise<void> {
  const body = canonicalJson({ ...pointer });
  const text = canonicalJson({ pointer: body, sha256: hashOf(new TextEncoder().encode(body)) });
  await files.write(`${folder}/${slots[pointer.sequence % 2]}`, new TextEncoder().encode(text));
}

async function readSlot(files: StoreFiles, path: string): Promise<Pointer | undefined> {
  const size = await files.size(path);
  if (size === undefined || size > MAX_SLOT_BYTES) return undefined;
  const bytes = new Uint8Array(size);
  await files.read(path, 0, bytes);
  try {
    const { pointer, sha256 } = JSON.parse(new TextDecoder().decode(bytes));
    return hashOf(new TextEncoder().encode(pointer)) === sha256 ? JSON.parse(pointer) : undefined;
  } catch {
    // an interrupted write
    return undefined;
  }
}
