/** The pointer to a package's current generation. */
import type { StoreFiles } from './storeFiles.ts';
import { readSlots, writeSlots } from './twoSlots.ts';

export interface Pointer {
  /** Increases by one with every change. */
  readonly sequence: number;
  readonly generation: string;
  /** Previous generation, kept for a rollback. */
  readonly previous?: string;
  /** The generation is being tested: until it is accepted, models are loaded from the previous one. */
  readonly trial?: {
    /** Previous generation of the previous one, which becomes `previous` again if the test fails. */
    readonly previous?: string;
  };
}

/** Generation that models are loaded from; undefined if the only one is being tested. */
export function acceptedGeneration({ generation, previous, trial }: Pointer): string | undefined {
  return trial ? previous : generation;
}

const MAX_BYTES = 4096;

/** @param folder folder of the package in the store @returns undefined if nothing was ever installed */
export async function readPointer(files: StoreFiles, folder: string): Promise<Pointer | undefined> {
  return readSlots<Pointer>(files, `${folder}/current`, MAX_BYTES);
}

export async function writePointer(files: StoreFiles, folder: string, pointer: Pointer): Promise<void> {
  return writeSlots(files, `${folder}/current`, pointer);
}
