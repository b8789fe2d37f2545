/**
 * X25519 and verification of Ed25519 signatures, by OpenSSL: a server of 100 clients computes more than a thousand of them per
 * round, each ten times as fast as in JavaScript.
 */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject, verify } from 'node:crypto';

/** ASN.1 in front of 32 bytes of key: PKCS #8 for secret keys, SubjectPublicKeyInfo for public ones (RFC 8410). */
const secretHeader = Buffer.from('302e020100300506032b656e04220420', 'hex');
const publicHeaders = {
  x25519: Buffer.from('302a300506032b656e032100', 'hex'),
  ed25519: Buffer.from('302a300506032b6570032100', 'hex'),
};

/** @returns 32 bytes @throws {Error} if the public key is of low order */
export function sharedSecret(secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const privateKey = createPrivateKey({ key: Buffer.concat([secretHeader, secret]), format: 'der', type: 'pkcs8' });
  return new Uint8Array(diffieHellman({ privateKey, publicKey: publicKeyOf('x25519', publicKey) }));
}

/** @returns false if the public key is no point of the curve, too */
export function isSignedBy(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(null, message, publicKeyOf('ed25519', publicKey), signature);
  } catch {
    return false;
  }
}

function publicKeyOf(curve: keyof typeof publicHeaders, key: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([publicHeaders[curve], key]), format: 'der', type: 'spki' });
}
