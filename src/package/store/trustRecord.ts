/** What a store remembers about the trust in a package: later versions must be signed the same way. */
import type { TufState } from '../trust/tuf/client.ts';
import type { StoreFiles } from './storeFiles.ts';
import { readSlots, writeSlots } from './twoSlots.ts';

export interface TrustRecord {
  /** SHA-256 of the root.json that the user pinned, or of the one found at the first pull. */
  readonly firstRoot?: string;
  readonly tuf?: TufState;
  /** PEM of the key that signs the package's files, if the user pinned one. */
  readonly publicKey?: string;
}

const MAX_BYTES = 32 * 1024 * 1024;

export async function readTrustRecord(files: StoreFiles, folder: string): Promise<TrustRecord | undefined> {
  return readSlots<TrustRecord & { readonly sequence: number }>(files, `${folder}/trust`, MAX_BYTES);
}

export async function writeTrustRecord(files: StoreFiles, folder: string, record: TrustRecord): Promise<void> {
  const before = await readSlots(files, `${folder}/trust`, MAX_BYTES);
  await writeSlots(files, `${folder}/trust`, { ...record, sequence: (before?.sequence ?? 0) + 1 });
}
