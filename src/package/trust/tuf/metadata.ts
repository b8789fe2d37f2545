/**
 * TUF's metadata files (The Update Framework 1.0): root says which keys sign for which role, targets lists files with their hashes,
 * snapshot the versions of all targets files, timestamp the version of the snapshot. Fields that are not listed are kept, as they are signed.
 */
import { z } from 'zod';
import { parseBoundedJson } from '../../../formats/packages/boundedJson.ts';
import { TrustError } from '../trustError.ts';
import { olpcJson } from './canonicalJson.ts';

/** Metadata of 5 MB has some 100,000. */
const MAX_OBJECTS = 400_000;

const version = z.number().int().positive().max(Number.MAX_SAFE_INTEGER);
const length = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const hashes = z
  .record(z.string(), z.string().regex(/^[0-9a-f]+$/))
  .refine((list) => Object.keys(list).length > 0, 'expected a hash');
const common = {
  spec_version: z.string().regex(/^1\.\d+(\.\d+)?$/, 'expected version 1 of the specification'),
  version,
  expires: z.iso.datetime(),
};

const key = z.looseObject({ keytype: z.string(), scheme: z.string(), keyval: z.looseObject({ public: z.string() }) });
const role = z.looseObject({
  keyids: z.array(z.string()).refine((ids) => new Set(ids).size === ids.length, 'lists a key twice'),
  threshold: z.number().int().positive(),
});

const root = z.looseObject({
  _type: z.literal('root'),
  ...common,
  consistent_snapshot: z.boolean().default(false),
  keys: z.record(z.string(), key),
  roles: z.looseObject({ root: role, timestamp: role, snapshot: role, targets: role }),
});

const metaFile = z.looseObject({ version, length: length.optional(), hashes: hashes.optional() });
const timestamp = z.looseObject({
  _type: z.literal('timestamp'),
  ...common,
  meta: z.looseObject({ 'snapshot.json': metaFile }),
});
const snapshot = z.looseObject({ _type: z.literal('snapshot'), ...common, meta: z.record(z.string(), metaFile) });

const delegatedRole = z
  .looseObject({
    ...role.shape,
    name: z.string().min(1),
    terminating: z.boolean(),
    paths: z.array(z.string()).optional(),
    path_hash_prefixes: z.array(z.string()).optional(),
  })
  .refine((role) => (role.paths === undefined) !== (role.path_hash_prefixes === undefined), {
    error: 'expected either paths or path_hash_prefixes',
  });
const targetFile = z.looseObject({ length, hashes });
const targets = z.looseObject({
  _type: z.literal('targets'),
  ...common,
  targets: z.record(z.string(), targetFile),
  delegations: z.looseObject({ keys: z.record(z.string(), key), roles: z.array(delegatedRole) }).optional(),
});

export const schemas = { root, timestamp, snapshot, targets } as const;
export type RoleType = keyof typeof schemas;
export type Signed<T extends RoleType = RoleType> = z.infer<(typeof schemas)[T]>;
export type TufKey = z.infer<typeof key>;
export type TufRole = z.infer<typeof role>;
export type DelegatedRole = z.infer<typeof delegatedRole>;
export type MetaFile = z.infer<typeof metaFile>;
export type TargetFile = z.infer<typeof targetFile>;

const envelope = z.looseObject({
  signed: z.looseObject({}),
  signatures: z
    .array(z.looseObject({ keyid: z.string(), sig: z.string() }))
    .max(1000)
    .refine((list) => new Set(list.map(({ keyid }) => keyid)).size === list.length, 'has two signatures of one key'),
});

export interface Metadata<T extends RoleType = RoleType> {
  readonly signed: Signed<T>;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
  /** The bytes that are signed. */
  readonly signedBytes: Uint8Array;
}

/** Parses metadata without verifying signatures. @param where file name for errors @throws {TrustError} BAD_METADATA naming the field */
export function readMetadata<T extends RoleType>(type: T, bytes: Uint8Array, where: string): Metadata<T> {
  const fail = (problem: string): never => {
    throw new TrustError('BAD_METADATA', `${where}: ${problem}`, { where });
  };
  let value: unknown;
  try {
    value = parseBoundedJson(bytes, MAX_OBJECTS);
  } catch {
    return fail('is not JSON');
  }
  const outer = envelope.safeParse(value);
  const inner = outer.success ? schemas[type].safeParse(outer.data.signed) : undefined;
  if (!outer.success || !inner?.success) {
    const [{ path, message }] = (outer.error ?? inner!.error)!.issues as [z.core.$ZodIssue];
    return fail(`is no ${type} metadata of TUF: ${path.join('.') || 'file'}: ${message}`);
  }
  let signedBytes: Uint8Array;
  try {
    // of the parsed text itself, unknown fields included
    signedBytes = new TextEncoder().encode(olpcJson((value as { signed: unknown }).signed));
  } catch (error) {
    return fail((error as Error).message);
  }
  return { signed: inner.data as Signed<T>, signatures: outer.data.signatures, signedBytes };
}
