/**
 * X25519 and verification of Ed25519 signatures, by OpenSSL: a server of 100 clients computes more than a thousand of them per
 * round, each ten times as fast as in JavaScript.
 */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject, verify } from 'node:crypto';

/** ASN.1 in front of a secret key's 32 bytes (PKCS #8, RFC 8410). JSON Web Keys need the public key, too. */
const secretHeader = Buffer.from('302e020100300506032b656e04220420', 'hex');
/** Secret keys as OpenSSL holds them: one agrees with all neighbours, and reading it takes longer than an agreement. */
const privateKeys = new WeakMap<Uint8Array, KeyObject>();

/** @param secret nobody changes it @returns 32 bytes @throws {Error} if the public key is of low order */
export function sharedSecret(secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  let privateKey = privateKeys.get(secret);
  if (!privateKey) {
    privateKey = createPrivateKey({ key: Buffer.concat([secretHeader, secret]), format: 'der', type: 'pkcs8' });
    privateKeys.set(secret, privateKey);
  }
  return new Uint8Array(diffieHellman({ privateKey, publicKey: publicKeyOf('X25519', publicKey) }));
}

/** @returns false if the public key is no point of the curve, too */
export function isSignedBy(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(null, message, publicKeyOf('Ed25519', publicKey), signature);
  } catch {
    return false;
  }
}

/** Imports a public key as a JSON Web Key (RFC 8037), ten times as fast as from ASN.1. */
function publicKeyOf(curve: 'X25519' | 'Ed25519', key: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: curve, x: base64url(key) }, format: 'jwk' });
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}
