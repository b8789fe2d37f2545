/** Signature schemes of TUF's keys, verified with WebCrypto. To add one, add it to `schemes`. */
import { readPublicKey } from '../ecdsaKey.ts';
import { fromHex, fromPem } from '../encodings.ts';
import type { TufKey } from './metadata.ts';

type Verify = (data: Uint8Array, signature: Uint8Array) => Promise<boolean>;
type Scheme = (publicKey: string) => Promise<Verify>;

const schemes: Readonly<Record<string, Scheme>> = {
  ed25519,
  'ecdsa-sha2-nistp256': ecdsa('P-256'),
  'ecdsa-sha2-nistp384': ecdsa('P-384'),
  'ecdsa-sha2-nistp521': ecdsa('P-521'),
  'rsassa-pss-sha256': rsa('RSA-PSS', 256),
  'rsassa-pss-sha384': rsa('RSA-PSS', 384),
  'rsassa-pss-sha512': rsa('RSA-PSS', 512),
  'rsa-pkcs1v15-sha256': rsa('RSASSA-PKCS1-v1_5', 256),
  'rsa-pkcs1v15-sha384': rsa('RSASSA-PKCS1-v1_5', 384),
  'rsa-pkcs1v15-sha512': rsa('RSASSA-PKCS1-v1_5', 512),
};

/** Returns undefined if the scheme is unknown, this platform lacks it, or the key is invalid: it then signs for nothing. */
export async function verifierOf({ scheme, keyval }: TufKey): Promise<Verify | undefined> {
  const create = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined;
  return create?.(keyval.public).catch(() => undefined);
}

function ecdsa(curve: string): Scheme {
  return async (publicKey) => {
    const key = await readPublicKey(publicKey, 'key');
    return async (data, signature) => key.curve === curve && key.verify(data, signature);
  };
}

async function ed25519(publicKey: string): Promise<Verify> {
  const raw = fromHex(publicKey) ?? new Uint8Array(0);
  const key = await crypto.subtle.importKey('raw', raw, { name: 'Ed25519' }, false, ['verify']);
  return (data, signature) =>
    crypto.subtle.verify({ name: 'Ed25519' }, key, signature as BufferSource, data as BufferSource);
}

function rsa(name: string, bits: number): Scheme {
  return async (publicKey) => {
    const algorithm = { name, hash: `SHA-${bits}` };
    const { der } = fromPem(publicKey, 'key');
    const key = await crypto.subtle.importKey('spki', der, algorithm, false, ['verify']);
    return (data, signature) =>
      crypto.subtle.verify({ name, saltLength: bits / 8 }, key, signature as BufferSource, data as BufferSource);
  };
}
