/**
 * The statement of OpenSSF Model Signing v1.0: an in-toto statement that lists the files of a model with their hashes. Its subject is the
 * model with a root digest: the SHA-256 of all digests, one after another.
 */
import { z } from 'zod';
import { hashOf } from '../../../formats/packages/hash.ts';
import { fromHex } from '../encodings.ts';
import { STATEMENT_TYPE } from '../statementBundle.ts';
import { TrustError } from '../trustError.ts';

const PREDICATE_TYPE = 'https://model_signing/signature/v1.0';
const DEPRECATED_PREDICATE_TYPE = 'https://model_signing/Digests/v0.1';

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in lower-case hexadecimal');

/** Fields that are not listed are allowed and ignored, as the standard asks. */
const resource = z.looseObject({
  name: z.string().min(1),
  digest: hash,
  // model-signing writes 'sha256-sharded-SIZE' for shards
  algorithm: z.string().regex(/^sha256(-sharded-\d+)?$/, 'only sha256 is supported'),
});

const serialization = z.object({
  method: z.enum(['files', 'shards']),
  hash_type: z.literal('sha256', { error: 'only sha256 is supported' }),
  /** Bytes of a shard. */
  shard_size: z.number().int().positive().optional(),
  allow_symlinks: z.boolean(),
  ignore_paths: z.array(z.string()).optional(),
});

const statement = z.object({
  _type: z.literal(STATEMENT_TYPE),
  subject: z.array(z.looseObject({ name: z.string().min(1), digest: z.looseObject({ sha256: hash }) })).length(1),
  predicateType: z.literal(PREDICATE_TYPE),
  predicate: z.looseObject({ resources: z.array(resource).min(1), serialization }),
});

/** A file, or with `method: 'shards'` a part of one: 'NAME:START:END'. */
export interface SignedResource {
  readonly name: string;
  /** SHA-256 in hexadecimal. */
  readonly digest: string;
}

export interface SignedModel {
  readonly name: string;
  readonly resources: readonly SignedResource[];
  readonly method: 'files' | 'shards';
  /** Bytes of a shard, with the method 'shards'. */
  readonly shardSize?: number;
  readonly allowSymlinks: boolean;
  /** Paths that were not signed. */
  readonly ignoredPaths: readonly string[];
}

/** Paths that model signing never covers, at the root of the model. */
export const NEVER_SIGNED = ['.git', '.gitignore', '.gitattributes', '.github'] as const;

export function statementBytes({ name, resources, ignoredPaths }: SignedModel): Uint8Array {
  const sorted = resources.toSorted((a, b) => compareCodePoints(a.name, b.name));
  const value: z.infer<typeof statement> = {
    _type: STATEMENT_TYPE,
    subject: [{ name, digest: { sha256: rootDigest(sorted) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      serialization: {
        method: 'files',
        hash_type: 'sha256',
        allow_symlinks: false,
        ...(ignoredPaths.length > 0 && { ignore_paths: [...ignoredPaths] }),
      },
      resources: sorted.map(({ name, digest }) => ({ name, algorithm: 'sha256', digest })),
    },
  };
  return new TextEncoder().encode(JSON.stringify(value));
}

/** @param where file name for errors @throws {TrustError} BAD_BUNDLE naming the field */
export function readStatement(payload: Uint8Array, where: string): SignedModel {
  const fail = (problem: string): never => {
    throw new TrustError('BAD_BUNDLE', `${where}: the signed statement ${problem}`, { where });
  };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return fail('is not JSON');
  }
  const { predicateType } = (value ?? {}) as { readonly predicateType?: unknown };
  if (predicateType === DEPRECATED_PREDICATE_TYPE)
    fail(`has the deprecated predicate type ${DEPRECATED_PREDICATE_TYPE}: sign the model again with a newer signer`);
  const checked = statement.safeParse(value);
  if (!checked.success) {
    const [{ path, message }] = checked.error.issues as [z.core.$ZodIssue];
    return fail(`is invalid: ${path.join('.') || 'statement'}: ${message}`);
  }
  const { subject, predicate } = checked.data;
  const { resources, serialization: how } = predicate;
  if ((how.method === 'shards') !== (how.shard_size !== undefined))
    fail(`has the method ${how.method} ${how.shard_size === undefined ? 'without' : 'with'} shard_size`);
  if (new Set(resources.map(({ name }) => name)).size < resources.length) fail('lists a file twice');
  const unsafe = resources.find(({ name }) => !isRelativePath(name));
  if (unsafe) fail(`lists ${JSON.stringify(unsafe.name)}, which is not a path inside the model`);
  const [{ name, digest }] = subject as [(typeof subject)[number]];
  const root = rootDigest(resources);
  if (root !== digest.sha256) fail(`has the root digest ${digest.sha256}, but its resources have ${root}`);
  return {
    name,
    resources: resources.map(({ name, digest }) => ({ name, digest })),
    method: how.method,
    ...(how.shard_size !== undefined && { shardSize: how.shard_size }),
    allowSymlinks: how.allow_symlinks,
    ignoredPaths: how.ignore_paths ?? [],
  };
}

function rootDigest(resources: readonly SignedResource[]): string {
  const all = new Uint8Array(32 * resources.length);
  for (const [i, { digest }] of resources.entries()) all.set(fromHex(digest)!, 32 * i);
  return hashOf(all);
}

function isRelativePath(name: string): boolean {
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..') && !name.includes('\\');
}

/** Compares by Unicode code points; JavaScript's < compares UTF-16 units. */
export function compareCodePoints(a: string, b: string): number {
  const [x, y] = [[...a], [...b]];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const difference = x[i].codePointAt(0)! - y[i].codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}
