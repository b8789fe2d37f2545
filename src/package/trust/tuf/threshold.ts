/** Checks that metadata has the signatures of as many different keys as its role demands. */
import { fromHex } from '../encodings.ts';
import { TrustError } from '../trustError.ts';
import type { Metadata, TufKey, TufRole } from './metadata.ts';
import { verifierOf } from './publicKeys.ts';

/** @param where file name for errors @throws {TrustError} BAD_SIGNATURE */
export async function verifyThreshold(
  { signatures, signedBytes }: Metadata,
  keys: Readonly<Record<string, TufKey>>,
  { keyids, threshold }: TufRole,
  where: string,
): Promise<void> {
  const valid = new Set<string>();
  const unsupported = new Set<string>();
  for (const keyid of keyids) {
    const key = Object.hasOwn(keys, keyid) ? keys[keyid] : undefined;
    const signature = signatures.find((each) => each.keyid === keyid);
    const bytes = signature && fromHex(signature.sig);
    if (!key || !bytes) continue;
    const verify = await verifierOf(key);
    if (!verify) unsupported.add(key.scheme);
    // a key that has two names counts once
    else if (await verify(signedBytes, bytes).catch(() => false)) valid.add(key.keyval.public.trim());
  }
  if (valid.size >= threshold) return;
  const hint = unsupported.size > 0 ? ` (keys of ${[...unsupported].join(', ')} cannot be verified here)` : '';
  throw new TrustError(
    'BAD_SIGNATURE',
    `${where}: ${valid.size} of its signatures are valid, expected ${threshold} of the keys that may sign it${hint}`,
    { where, found: valid.size, expected: threshold },
  );
}
