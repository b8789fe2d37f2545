import { canonicalJson } from '../formats/packages/canonicalJson.ts';
import { hashOf } from '../formats/packages/hash.ts';

/** SHA-256 of a value's canonical JSON, the same on every device. @param value JSON-safe */
export function canonicalHash(value: object): string {
  return hashOf(new TextEncoder().encode(canonicalJson(value as never)));
}
