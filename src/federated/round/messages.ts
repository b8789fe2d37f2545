/**
 * Messages of clients to a round. As bytes: the length of a JSON header (uint32, little-endian), the header, and the body of an
 * update. Every message is signed; the signature covers the round's settings, the header and the body's hash.
 */

import { ed25519 } from '@noble/curves/ed25519.js';
import * as z from 'zod';
import { isSignedBy } from '#leaf/federated/secure/curve25519';
import { canonicalJson } from '../../formats/packages/canonicalJson.ts';
import { hashOf } from '../../formats/packages/hash.ts';
import { canonicalHash } from '../canonicalHash.ts';
import { bytesToHex, hexToBytes } from '../encoding.ts';
import { FederatedError } from '../federatedError.ts';

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
const client = () => hex(32);
const base64 = () => z.string().max(400);
/** Values by member. */
const byMember = <T extends z.ZodType>(value: T) => z.record(client(), value);

const common = { round: z.string().max(100), client: client(), signature: hex(64) };

export const joinSchema = z.strictObject({
  kind: z.literal('join'),
  ...common,
  examples: z.int().positive(),
  /** X25519 keys of mode 'secure': for sealing shares, and for masks. */
  keys: z.strictObject({ seal: hex(32), mask: hex(32) }).optional(),
});

const schema = z.discriminatedUnion('kind', [
  joinSchema,
  z.strictObject({
    kind: z.literal('shares'),
    ...common,
    /** Encrypted shares of the sender's two secrets, by receiver. */
    sealed: byMember(base64()),
    /** SHA-256 of the share of the seed and of the share of the key, by receiver: nobody can hand in another share. */
    commitments: byMember(z.tuple([hex(32), hex(32)])),
    /** SHA-256 of the seed. */
    seed: hex(32),
  }),
  z.strictObject({ kind: z.literal('update'), ...common, body: z.instanceof(Uint8Array<ArrayBufferLike>) }),
  z.strictObject({
    kind: z.literal('confirm'),
    ...common,
    /** Hash of the members of the sum, see `sumHash`. */
    sum: hex(32),
  }),
  z.strictObject({
    kind: z.literal('unmask'),
    ...common,
    /** Shares of the seeds of members whose update was summed. */
    seeds: byMember(base64()),
    /** Shares of the mask keys of members that dropped out. */
    keys: byMember(base64()),
  }),
  z.strictObject({ kind: z.literal('withdraw'), ...common }),
]);

export type RoundMessage = z.output<typeof schema>;
export type MessageKind = RoundMessage['kind'];
export type MessageOf<Kind extends MessageKind> = Extract<RoundMessage, { kind: Kind }>;
export type Unsigned<M> = M extends RoundMessage ? Omit<M, 'signature'> : never;
export type UnsignedMessage = Unsigned<RoundMessage>;

const HEADER_LENGTH = 4;
const MAXIMUM_HEADER = 1 << 20;
const DOMAIN = 'espalier federated message 1';

/** Signs a message with the client's Ed25519 key. @param config hash of the round's settings */
export function signMessage(message: UnsignedMessage, config: string, secretKey: Uint8Array): RoundMessage {
  const signature = bytesToHex(ed25519.sign(signedBytes(message, config), secretKey));
  return { ...message, signature } as RoundMessage;
}

const SIGNATURE = /^[0-9a-f]{128}$/;

/** True if the client of the message signed it, for this round. */
export function hasValidSignature(message: RoundMessage, config: string): boolean {
  const { signature, ...unsigned } = message;
  if (!SIGNATURE.test(signature)) return false;
  const signed = signedBytes(unsigned as UnsignedMessage, config);
  return isSignedBy(hexToBytes(message.client), signed, hexToBytes(signature));
}

function signedBytes(message: UnsignedMessage, config: string): Uint8Array {
  return new TextEncoder().encode(`${DOMAIN}\n${config}\n${canonicalJson(headerOf(message))}`);
}

/** Hash of a message's content: two messages with the same digest say the same. */
export function digestOf({ signature: _, ...message }: RoundMessage): string {
  return canonicalHash(headerOf(message as UnsignedMessage));
}

/** The message with its body replaced by the body's hash. */
function headerOf(message: UnsignedMessage | RoundMessage): never {
  return ('body' in message ? { ...message, body: hashOfBody(message.body) } : message) as never;
}

/** Hashes of bodies, which nobody changes: the signature and the digest of an update need the same one. */
const bodyHashes = new WeakMap<Uint8Array, string>();

/** SHA-256 of an update. */
export function hashOfBody(body: Uint8Array): string {
  let hash = bodyHashes.get(body);
  if (hash === undefined) bodyHashes.set(body, (hash = hashOf(body)));
  return hash;
}

export function encodeMessage(message: RoundMessage): Uint8Array {
  const body = 'body' in message ? message.body : new Uint8Array();
  const header = new TextEncoder().encode(JSON.stringify({ ...message, body: undefined }));
  // spaces after the JSON let the body begin at a multiple of four bytes, so that its integers are added where they lie
  const length = 4 * Math.ceil(header.length / 4);
  const bytes = new Uint8Array(HEADER_LENGTH + length + body.length);
  new DataView(bytes.buffer).setUint32(0, length, true);
  bytes.fill(0x20, HEADER_LENGTH, HEADER_LENGTH + length);
  bytes.set(header, HEADER_LENGTH);
  bytes.set(body, HEADER_LENGTH + length);
  return bytes;
}

/** The body of the result is a view. @throws {FederatedError} BAD_MESSAGE */
export function decodeMessage(bytes: Uint8Array): RoundMessage {
  if (bytes.length < HEADER_LENGTH) throw bad(`has ${bytes.length} bytes, expected a header`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (length > MAXIMUM_HEADER || HEADER_LENGTH + length > bytes.length)
    throw bad(`has a header of ${length} bytes, expected at most ${Math.min(MAXIMUM_HEADER, bytes.length)}`);
  const text = new TextDecoder().decode(bytes.subarray(HEADER_LENGTH, HEADER_LENGTH + length));
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw bad('has a header that is not JSON', { cause });
  }
  const body = bytes.subarray(HEADER_LENGTH + length);
  const isUpdate = typeof header === 'object' && header !== null && (header as { kind?: unknown }).kind === 'update';
  if (!isUpdate && body.length > 0) throw bad(`has ${body.length} bytes after the header, expected none`);
  const result = schema.safeParse(isUpdate ? { ...(header as object), body } : header);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || 'kind'}: ${message}`);
  throw bad(`is invalid: ${problems.slice(0, 5).join('; ')}`);
}

function bad(problem: string, options?: ErrorOptions): FederatedError {
  return new FederatedError('BAD_MESSAGE', `the message ${problem}`, {}, options);
}
