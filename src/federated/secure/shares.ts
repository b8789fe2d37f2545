/** Shares of a member's two secrets: the seed of its own mask, and the key of the masks with its neighbours. */
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { combine, split } from 'shamir-secret-sharing';
import { hashOf } from '../../formats/packages/hash.ts';
import { fromBase64, toBase64 } from '../encoding.ts';
import { agree } from './agreement.ts';
import type { Roster } from './roster.ts';

/** A share has a byte per byte of the secret, and the number of the share. */
const SHARE = 33;
const NONCE = 24;

export interface MemberSecrets {
  readonly client: string;
  readonly seed: Uint8Array;
  readonly maskKey: Uint8Array;
  readonly sealKey: Uint8Array;
}

export interface SharesOfMember {
  readonly sealed: Record<string, string>;
  readonly commitments: Record<string, [string, string]>;
  /** SHA-256 of the seed. */
  readonly seed: string;
}

/** Splits both secrets among the neighbours and encrypts the shares for them. */
export async function makeShares(secrets: MemberSecrets, roster: Roster): Promise<SharesOfMember> {
  const { client, seed, maskKey, sealKey } = secrets;
  const neighbours = roster.neighbours.get(client)!;
  const seeds = await split(seed, neighbours.length, roster.threshold);
  const keys = await split(maskKey, neighbours.length, roster.threshold);
  const sealed: Record<string, string> = {};
  const commitments: Record<string, [string, string]> = {};
  for (const [i, to] of neighbours.entries()) {
    const nonce = randomBytes(NONCE);
    const key = sealingKey(sealKey, roster, client, to, to);
    const box = xchacha20poly1305(key, nonce).encrypt(Uint8Array.of(...seeds[i], ...keys[i]));
    sealed[to] = toBase64(Uint8Array.of(...nonce, ...box));
    commitments[to] = [hashOf(seeds[i]), hashOf(keys[i])];
  }
  return { sealed, commitments, seed: hashOf(seed) };
}

export interface OpenedShares {
  readonly seed: Uint8Array;
  readonly key: Uint8Array;
}

/** Decrypts the shares that another member sealed for this one. @throws {Error} if they were not sealed for this member */
export function openShares(sealKey: Uint8Array, roster: Roster, from: string, to: string, text: string): OpenedShares {
  const bytes = fromBase64(text);
  const key = sealingKey(sealKey, roster, from, to, from);
  const plain = xchacha20poly1305(key, bytes.subarray(0, NONCE)).decrypt(bytes.subarray(NONCE));
  if (plain.length !== 2 * SHARE) throw new Error(`the shares have ${plain.length} bytes, expected ${2 * SHARE}`);
  return { seed: plain.slice(0, SHARE), key: plain.slice(SHARE) };
}

/** @param other the member whose public key is used */
function sealingKey(secret: Uint8Array, roster: Roster, from: string, to: string, other: string): Uint8Array {
  return agree(secret, roster.members.get(other)!.keys.seal, roster.hash, `espalier seal ${from} ${to}`);
}

/** Reconstructs a secret from at least `threshold` shares. A wrong share gives a wrong secret: compare its hash. */
export function combineShares(shares: readonly Uint8Array[]): Promise<Uint8Array> {
  return combine([...shares]);
}
