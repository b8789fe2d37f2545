/** A client's identity: an Ed25519 key whose public key is its name. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex } from '../encoding.ts';

export interface Identity {
  readonly secretKey: Uint8Array;
  /** Public key in hexadecimal. */
  readonly name: string;
}

/** @param secretKey 32 bytes; default: a new random key */
export function identity(secretKey: Uint8Array = ed25519.utils.randomSecretKey()): Identity {
  return { secretKey, name: bytesToHex(ed25519.getPublicKey(secretKey)) };
}
