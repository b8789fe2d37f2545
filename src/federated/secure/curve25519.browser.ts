/** X25519 and verification of Ed25519 signatures. */
import { ed25519, x25519 } from '@noble/curves/ed25519.js';

/** @returns 32 bytes @throws {Error} if the public key is of low order */
export function sharedSecret(secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return x25519.getSharedSecret(secret, publicKey);
}

/** @returns false if the public key is no point of the curve, too */
export function isSignedBy(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, message, publicKey);
  } catch {
    return false;
  }
}
