/** Where an installed package came from, so that it can be updated by its name. */
import { readSlots, writeSlots } from './slots.ts';
import type { StoreFiles } from './storeFiles.ts';

interface Origin {
  /** Increases by one with every change. */
  readonly sequence: number;
  /** URL, absolute path or oci: reference. */
  readonly location: string;
}

const MAX_BYTES = 16 * 1024;

/** @param folder folder of the package in the store @returns undefined if it was never kept */
export async function readOrigin(files: StoreFiles, folder: string): Promise<string | undefined> {
  return (await readSlots<Origin>(files, `${folder}/origin`, MAX_BYTES))?.location;
}

export async function writeOrigin(files: StoreFiles, folder: string, location: string): Promise<void> {
  const before = await readSlots<Origin>(files, `${folder}/origin`, MAX_BYTES);
  if (before?.location === location) return;
  await writeSlots<Origin>(files, `${folder}/origin`, { sequence: (before?.sequence ?? 0) + 1, location });
}
