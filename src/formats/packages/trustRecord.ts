/** A store's record of the trust in a package: later versions must be signed the same way. */

import { readSlots, writeSlots } from './slots.ts';
import type { StoreFiles } from './storeFiles.ts';

/** State of a TUF client between refreshes: the text of the metadata it trusts. JSON-safe. */
export interface TufState {
  readonly root: string;
  readonly timestamp?: string;
  readonly snapshot?: string;
  /** By role: 'targets' and delegated ones. */
  readonly targets?: Readonly<Record<string, string>>;
  /** Time of the last refresh, ISO 8601: no clock may be earlier. */
  readonly refreshed?: string;
}

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
