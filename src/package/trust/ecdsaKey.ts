/** ECDSA keys on the curves P-256, P-384 and P-521 in WebCrypto. Signatures are DER, as everyone else writes them. */
import { derSignature, includesBytes, pkcs8FromSec1, rawSignature } from './der.ts';
import { fromPem, toPem } from './encodings.ts';
import { TrustError } from './trustError.ts';

interface Curve {
  readonly name: string;
  /** DER of the curve's object identifier. */
  readonly identifier: readonly number[];
  readonly hash: string;
  /** Bytes of a coordinate. */
  readonly size: number;
}

const curves: readonly Curve[] = [
  { name: 'P-256', identifier: [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], hash: 'SHA-256', size: 32 },
  { name: 'P-384', identifier: [6, 5, 0x2b, 0x81, 4, 0, 0x22], hash: 'SHA-384', size: 48 },
  { name: 'P-521', identifier: [6, 5, 0x2b, 0x81, 4, 0, 0x23], hash: 'SHA-512', size: 66 },
];

export interface PublicKey {
  /** SubjectPublicKeyInfo, with lines of 64 characters and a final newline, as OpenSSL writes it. */
  readonly pem: string;
  readonly curve: string;
  /** True if the DER signature is this key's. */
  verify(data: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

export interface PrivateKey {
  readonly publicKey: PublicKey;
  /** Returns a DER signature. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/** @param where file name for errors @throws {TrustError} BAD_KEY */
export async function readPublicKey(pem: string, where: string): Promise<PublicKey> {
  const { label, der } = fromPem(pem, where);
  if (label !== 'PUBLIC KEY') throw badKey(where, `has a ${label}, expected a PUBLIC KEY`);
  const curve = curveOf(der, where);
  const algorithm = { name: 'ECDSA', namedCurve: curve.name };
  const key = await crypto.subtle.importKey('spki', der, algorithm, true, ['verify']).catch((cause: Error) => {
    throw badKey(where, `is no valid public key on ${curve.name}`, cause);
  });
  return publicKeyOf(key, curve);
}

/** @param where file name for errors @throws {TrustError} BAD_KEY, also for encrypted keys */
export async function readPrivateKey(pem: string, where: string): Promise<PrivateKey> {
  const { label, der } = fromPem(pem, where);
  if (label !== 'PRIVATE KEY' && label !== 'EC PRIVATE KEY')
    throw badKey(where, `has a ${label}, expected a PRIVATE KEY`);
  const curve = curveOf(der, where);
  const pkcs8 = label === 'PRIVATE KEY' ? der : pkcs8FromSec1(der);
  if (!pkcs8) throw badKey(where, 'is damaged');
  const algorithm = { name: 'ECDSA', namedCurve: curve.name };
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign']).catch((cause: Error) => {
    throw badKey(where, `is no valid private key on ${curve.name}`, cause);
  });
  // the public half, from the private key's coordinates
  const { d: _d, key_ops: _operations, ...open } = await crypto.subtle.exportKey('jwk', key);
  const shared = await crypto.subtle.importKey('jwk', open, algorithm, true, ['verify']);
  return privateKeyOf(key, await publicKeyOf(shared, curve), curve);
}

/** A new key pair, as PEM: PKCS#8 and SubjectPublicKeyInfo. */
export async function createKeyPair(
  curve = 'P-256',
): Promise<{ readonly privateKey: string; readonly publicKey: string }> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: curve }, true, ['sign', 'verify']);
  const [secret, open] = await Promise.all([
    crypto.subtle.exportKey('pkcs8', pair.privateKey),
    crypto.subtle.exportKey('spki', pair.publicKey),
  ]);
  return {
    privateKey: toPem('PRIVATE KEY', new Uint8Array(secret)),
    publicKey: toPem('PUBLIC KEY', new Uint8Array(open)),
  };
}

async function publicKeyOf(key: CryptoKey, { name, hash, size }: Curve): Promise<PublicKey> {
  const pem = toPem('PUBLIC KEY', new Uint8Array(await crypto.subtle.exportKey('spki', key)));
  return {
    pem,
    curve: name,
    async verify(data, signature) {
      const raw = rawSignature(signature, size);
      return raw !== undefined && crypto.subtle.verify({ name: 'ECDSA', hash }, key, raw, data as BufferSource);
    },
  };
}

function privateKeyOf(key: CryptoKey, publicKey: PublicKey, { hash }: Curve): PrivateKey {
  return {
    publicKey,
    async sign(data) {
      return derSignature(new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash }, key, data as BufferSource)));
    },
  };
}

function curveOf(der: Uint8Array, where: string): Curve {
  const curve = curves.find(({ identifier }) => includesBytes(der, identifier));
  if (!curve) throw badKey(where, `is not on a curve of ${curves.map(({ name }) => name).join(', ')}`);
  return curve;
}

function badKey(where: string, problem: string, cause?: Error): TrustError {
  return new TrustError('BAD_KEY', `${where}: ${problem}`, { where }, { cause });
}
