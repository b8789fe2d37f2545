/** Incremental SHA-256. */
import { createHash } from 'node:crypto';

export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** Returns the digest in lower-case hexadecimal. Nothing may be added afterwards. */
  hex(): string;
}

export function sha256(): Sha256 {
  const hash = createHash('sha256');
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
}
