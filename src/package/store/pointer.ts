/** The pointer to a package's current generation. */
import type { StoreFiles } from './storeFiles.ts';
import { readSlots, writeSlots } from './twoSlots.ts';

export interface Pointer {
  /** Increases by one with every change. */
  readonly sequence: number;
  readonly generation: string;
  /** Previous generation, kept for a rollback. */
  readonly previous?: string;
}

const MAX_BYTES = 4096;

/** @param folder folder of the package in the store @returns undefined if nothing was ever installed */
export async function readPointer(files: StoreFiles, folder: string): Promise<Pointer | undefined> {
  return readSlots<Pointer>(files, `${folder}/current`, MAX_BYTES);
}

export async function writePointer(files: StoreFiles, folder: string, pointer: Pointer): Promise<void> {
  return writeSlots(files, `${folder}/current`, pointer);
}
