/** Keys that two members agree on: X25519, then HKDF-SHA-256. */

import { x25519 } from '@noble/curves/ed25519.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { sharedSecret } from '#leaf/federated/secure/curve25519';
import { bytesToHex, hexToBytes } from '../encoding.ts';

export interface AgreementKeys {
  readonly secret: Uint8Array;
  /** In hexadecimal. */
  readonly public: string;
}

export function agreementKeys(secret: Uint8Array = x25519.utils.randomSecretKey()): AgreementKeys {
  return { secret, public: bytesToHex(x25519.getPublicKey(secret)) };
}

/**
 * Returns a 256-bit key.
 * @param publicKey of the other member
 * @param roster hash of the roster: members that were shown different rosters agree on different keys
 * @param purpose of the key, with the names of both members
 * @throws {Error} if the public key is of low order
 */
export function agree(secret: Uint8Array, publicKey: string, roster: string, purpose: string): Uint8Array {
  const shared = sharedSecret(secret, hexToBytes(publicKey));
  return hkdf(sha256, shared, hexToBytes(roster), new TextEncoder().encode(purpose), 32);
}

/** Seed of the mask between two members. Both get the same. */
export function pairSeed(secret: Uint8Array, publicKey: string, roster: string, a: string, b: string): Uint8Array {
  return agree(secret, publicKey, roster, `espalier mask ${a < b ? `${a} ${b}` : `${b} ${a}`}`);
}

const anySecret = new Uint8Array(32).fill(1);

/** False for a key of low order, with which nobody can agree on a secret, and for a second spelling of another key. */
export function isUsableKey(publicKey: string): boolean {
  const bytes = hexToBytes(publicKey);
  // X25519 ignores the last bit
  if (bytes[31] > 0x7f) return false;
  try {
    sharedSecret(anySecret, bytes);
    return true;
  } catch {
    return false;
  }
}
