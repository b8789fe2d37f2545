import { sha256 } from '#leaf/formats/download/sha256';

/** SHA-256 in lower-case hexadecimal. */
export function hashOf(bytes: Uint8Array): string {
  const hash = sha256();
  hash.update(bytes);
  return hash.hex();
}
