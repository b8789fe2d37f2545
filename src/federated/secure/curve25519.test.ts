import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { describe, expect, it } from 'vitest';
import { bytesToHex, hexToBytes } from '../encoding.ts';
import * as browser from './curve25519.browser.ts';
import * as node from './curve25519.node.ts';

describe.each([
  ['Node', node],
  ['browsers', browser],
])('curve 25519 in %s', (_, { sharedSecret, isSignedBy }) => {
  it('computes the shared secret of RFC 7748, section 5.2', () => {
    const nine = hexToBytes(`09${'00'.repeat(31)}`);
    const expected = '422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079';
    expect(bytesToHex(sharedSecret(nine, nine))).toBe(expected);
  });

  it('agrees with noble, and refuses keys of low order', () => {
    for (let i = 0; i < 5; i++) {
      const [a, b] = [x25519.utils.randomSecretKey(), x25519.utils.randomSecretKey()];
      const expected = x25519.getSharedSecret(b, x25519.getPublicKey(a));
      expect(sharedSecret(a, x25519.getPublicKey(b))).toEqual(expected);
    }
    const secret = x25519.utils.randomSecretKey();
    for (const low of [`00${'00'.repeat(31)}`, `01${'00'.repeat(31)}`])
      expect(() => sharedSecret(secret, hexToBytes(low))).toThrow();
  });

  it('verifies signatures', () => {
    const secret = ed25519.utils.randomSecretKey();
    const message = Uint8Array.of(1, 2, 3);
    const key = ed25519.getPublicKey(secret);
    const signature = ed25519.sign(message, secret);
    expect(isSignedBy(key, message, signature)).toBe(true);
    expect(isSignedBy(key, Uint8Array.of(1, 2, 4), signature)).toBe(false);
    expect(isSignedBy(ed25519.getPublicKey(x25519.utils.randomSecretKey()), message, signature)).toBe(false);
    expect(isSignedBy(key, message, signature.with(3, signature[3] ^ 1))).toBe(false);
    expect(isSignedBy(new Uint8Array(32).fill(255), message, signature)).toBe(false);
  });
});
