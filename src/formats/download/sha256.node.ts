/** SHA-256 of bytes that come in parts. */
import { createHash } from 'node:crypto';

export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** The digest in lower-case hexadecimal; nothing may be added afterwards. */
  hex(): string;
}

export function sha256(): Sha256 {
  const hash = createHash('sha256');
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
}
