/** The pointer to a package's current generation. */

import { readSlots, writeSlots } from './slots.ts';
import type { StoreFiles } from './storeFiles.ts';

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
  /** Time of the change in milliseconds since 1970, where a power failure may still lose written files. */
  readonly changed?: number;
}

/** Generation that models are loaded from; undefined if the only one is being tested. */
export function acceptedGeneration({ generation, previous, trial }: Pointer): string | undefined {
  return trial ? previous : generation;
}

const MAX_BYTES = 4096;
/** An update with its trial writes two slots. A power failure that damages both of them, and a rollback's, leaves the one before. */
const SLOTS = 4;

/** @param folder folder of the package in the store @returns undefined if nothing was ever installed */
export async function readPointer(files: StoreFiles, folder: string): Promise<Pointer | undefined> {
  return readSlots<Pointer>(files, `${folder}/current`, MAX_BYTES, SLOTS);
}

export async function writePointer(files: StoreFiles, folder: string, pointer: Pointer): Promise<void> {
  return writeSlots(files, `${folder}/current`, pointer, SLOTS);
}

/** Milliseconds after which every system has written its files to the disk. */
const SETTLING = 10 * 60 * 1000;

interface Settled {
  /** Sequence number of the pointer. */
  readonly sequence: number;
}

/** True if the files of the pointer's generation were found whole after they must have reached the disk. */
export async function isSettled(files: StoreFiles, folder: string, { sequence }: Pointer): Promise<boolean> {
  const settled = await readSlots<Settled>(files, `${folder}/settled`, MAX_BYTES);
  return settled?.sequence === sequence;
}

/** Call it when the files of the pointer's generation were found whole. */
export async function markSettled(
  files: StoreFiles,
  folder: string,
  { sequence, changed = 0 }: Pointer,
): Promise<void> {
  if (Date.now() - changed < SETTLING) return;
  // the store works without the mark, only slower
  await writeSlots<Settled>(files, `${folder}/settled`, { sequence }).catch(() => {});
}
