/**
 * Signed statements: a Sigstore bundle (v0.3) that holds a DSSE envelope, whose payload is an in-toto statement and whose signature is
 * ECDSA. It is the form of OpenSSF Model Signing v1.0 with the method `key`. The other methods (certificate, sigstore) are refused by name.
 */

import { z } from 'zod';
import { concatenated } from '../../core/concatenated.ts';
import { parseBoundedJson } from '../../formats/packages/boundedJson.ts';
import { hashOf } from '../../formats/packages/hash.ts';
import type { PrivateKey, PublicKey } from './ecdsaKey.ts';
import { fromBase64, toBase64 } from './encodings.ts';
import { TrustError } from './trustError.ts';

/** Type of all statements, whatever they say. */
export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';

const MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
export const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;
/** The statement is one string. */
const MAX_OBJECTS = 10_000;

const bundle = z.looseObject({
  mediaType: z.literal(MEDIA_TYPE),
  verificationMaterial: z.looseObject({
    publicKey: z.looseObject({ hint: z.string().nullish(), rawBytes: z.string().nullish() }),
  }),
  dsseEnvelope: z.looseObject({
    payload: z.string(),
    payloadType: z.literal(PAYLOAD_TYPE),
    signatures: z.array(z.looseObject({ sig: z.string(), keyid: z.string().nullish() })).length(1),
  }),
});

/** @param payload the statement as JSON @returns the bytes of the bundle */
export async function signStatement(payload: Uint8Array, key: PrivateKey): Promise<Uint8Array> {
  const signature = await key.sign(preAuthenticationEncoding(payload));
  const value: z.infer<typeof bundle> = {
    mediaType: MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint: keyHint(key.publicKey) }, tlogEntries: [] },
    dsseEnvelope: {
      payload: toBase64(payload),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: toBase64(signature), keyid: '' }],
    },
  };
  return new TextEncoder().encode(JSON.stringify(value));
}

/**
 * Verifies the signature.
 * @param where file name for errors @returns the statement as JSON
 * @throws {TrustError} BAD_BUNDLE naming the field; BAD_SIGNATURE
 */
export async function verifyStatement(bytes: Uint8Array, key: PublicKey, where: string): Promise<Uint8Array> {
  const fail = (problem: string): never => {
    throw new TrustError('BAD_BUNDLE', `${where}: ${problem}`, { where });
  };
  if (bytes.length > MAX_BUNDLE_BYTES) fail(`has ${bytes.length} bytes, expected at most ${MAX_BUNDLE_BYTES}`);
  let value: unknown;
  try {
    value = parseBoundedJson(bytes, MAX_OBJECTS);
  } catch {
    fail('is not JSON');
  }
  const material = (value as { verificationMaterial?: Record<string, unknown> } | null)?.verificationMaterial ?? {};
  const other = ['certificate', 'x509CertificateChain'].find((name) => material[name] !== undefined);
  if (other) fail(`is signed with a ${other}; only signatures with a key can be verified`);
  const checked = bundle.safeParse(value);
  if (!checked.success) {
    const [{ path, message }] = checked.error.issues as [z.core.$ZodIssue];
    return fail(`is no Sigstore bundle of a statement signed with a key: ${path.join('.') || 'bundle'}: ${message}`);
  }
  const { verificationMaterial, dsseEnvelope } = checked.data;
  const { hint } = verificationMaterial.publicKey;
  if (hint && hint !== keyHint(key)) {
    const problem = `is signed with the key ${hint}, expected ${keyHint(key)}`;
    throw new TrustError('BAD_SIGNATURE', `${where}: ${problem}`, { where, found: hint, expected: keyHint(key) });
  }
  const [{ sig }] = dsseEnvelope.signatures as [{ sig: string }];
  const [payload, signature] = [fromBase64(dsseEnvelope.payload), fromBase64(sig)];
  if (!payload || !signature) return fail('has a payload or signature that is not base64');
  if (!(await key.verify(preAuthenticationEncoding(payload), signature)))
    throw new TrustError('BAD_SIGNATURE', `${where}: the signature is not that of the key ${keyHint(key)}`, { where });
  return payload;
}

/** Identifies a public key in bundles: SHA-256 of its PEM text. */
export function keyHint(key: PublicKey): string {
  return hashOf(new TextEncoder().encode(key.pem));
}

/** DSSE's encoding of type and payload, which is what gets signed. */
function preAuthenticationEncoding(payload: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `);
  return concatenated([head, payload]);
}
