/**
 * Verifies what a published folder says before it is believed. TUF is required if the user pins a root, if the store has verified this package
 * before, or if the package declares it (the root found first is then trusted and kept). A signature of the files is required if a key is pinned.
 * What was required once stays required.
 */
import { hashOf } from '../../formats/packages/hash.ts';
import type { Manifest } from '../../formats/packages/manifest.ts';
import type { TrustRecord } from '../../formats/packages/trustRecord.ts';
import {
  LATEST,
  type Latest,
  MAX_LATEST_BYTES,
  readLatest,
  signatureFile,
  trustedLatestFile,
  trustFile,
} from '../update/published.ts';
import { manifestOf } from '../update/readPublished.ts';
import { type Remote, readIfThere, readSmall } from '../update/remote.ts';
import { readPublicKey } from './ecdsaKey.ts';
import { verifyBundle } from './oms/bundle.ts';
import { compareDigests } from './oms/modelFiles.ts';
import { signedResourcesOf } from './signedPackage.ts';
import { MAX_BUNDLE_BYTES } from './statementBundle.ts';
import { TrustError } from './trustError.ts';
import { MAX_ROOT_BYTES, matches, TufClient } from './tuf/client.ts';

export interface TrustOptions {
  /** Bytes of the root.json that the publisher handed out. Default: the one kept, or else the first one found. */
  readonly root?: Uint8Array;
  /** PEM of the key that must have signed the files. */
  readonly publicKey?: string;
  /** Default: the system's clock. */
  readonly now?: () => Date;
}

export interface VerifyContext {
  readonly remote: Remote;
  readonly options: TrustOptions;
  /** The store's record; `keep` changes it. */
  readonly record: TrustRecord | undefined;
  /** Called whenever more is trusted than before. */
  readonly keep: (record: TrustRecord) => Promise<void>;
  readonly signal?: AbortSignal;
}

/**
 * @param bytes latest.json as it was fetched
 * @returns what TUF says is the newest, or `bytes` parsed if nothing requires TUF
 * @throws {TrustError}
 */
export async function verifyLatest(bytes: Uint8Array, context: VerifyContext): Promise<Latest> {
  const { remote, options, record, keep, signal } = context;
  const where = `${remote.name}: ${LATEST}`;
  const latest = readLatest(bytes, where);
  if (!options.root && !record?.tuf && latest.trust !== 'tuf') return latest;
  const read = (file: string, most: number) => readIfThere(remote, trustFile(file), most, signal);
  const pinned = options.root;
  const isOther = pinned !== undefined && record?.firstRoot !== hashOf(pinned);
  const first = pinned ?? (record?.tuf ? undefined : await read('1.root.json', MAX_ROOT_BYTES));
  if (!first && !record?.tuf)
    throw new TrustError('NOT_SIGNED', `${remote.name}: ${trustFile('1.root.json')} is missing`);
  // another pinned root begins a new chain; what was kept still protects against older versions if its keys can sign for it
  const state = {
    ...record?.tuf,
    root: isOther || !record?.tuf ? new TextDecoder().decode(first!) : record.tuf.root,
  };
  const firstRoot = first ? hashOf(first) : record!.firstRoot!;
  const client = new TufClient(state, {
    name: `${remote.name}: ${trustFile('')}`.replace(/\/$/, ''),
    read,
    keep: (tuf) => keep({ ...context.record, firstRoot, tuf }),
    ...(options.now && { now: options.now }),
  });
  await client.refresh();
  const target = await client.findTarget(LATEST);
  if (await matches(target, bytes)) return latest;
  // the folder is being published, or latest.json is not what was signed
  const sha256 = target.hashes.sha256;
  const copy = sha256 && (await readIfThere(remote, trustedLatestFile(sha256), MAX_LATEST_BYTES, signal));
  if (copy && (await matches(target, copy))) return readLatest(copy, where);
  throw new TrustError('MIX_AND_MATCH', `${where} is not the file that the signed metadata lists`, { where });
}

/**
 * Verifies that the pinned key signed the manifest and the files, and keeps the pin. Does nothing if no key is pinned.
 * @param current generation that is installed
 * @throws {TrustError} NOT_SIGNED, BAD_SIGNATURE, BAD_BUNDLE, FILES_DIFFER
 */
export async function verifySignature(
  manifest: Manifest,
  generation: string,
  current: string | undefined,
  context: VerifyContext,
): Promise<void> {
  const { remote, options, record, keep, signal } = context;
  const pem = options.publicKey ?? record?.publicKey;
  if (pem === undefined || (pem === record?.publicKey && generation === current)) return;
  const path = signatureFile(generation);
  const where = `${remote.name}: ${path}`;
  const key = await readPublicKey(pem, 'the public key');
  const bundle = await readIfThere(remote, path, MAX_BUNDLE_BYTES, signal);
  if (!bundle) throw new TrustError('NOT_SIGNED', `${where} is missing: this version is not signed`, { where });
  const signed = await verifyBundle(bundle, key, where);
  const found = new Map(signedResourcesOf(manifest).map(({ name, digest }) => [name, digest]));
  compareDigests(signed.resources, found, where);
  if (pem !== record?.publicKey) await keep({ ...record, publicKey: pem });
}

export interface VerifiedPublication {
  readonly name: string;
  readonly version: string;
  readonly generation: string;
  /** Names of the verifications that passed: 'tuf', 'signature'. */
  readonly by: readonly string[];
}

/** A published folder that was verified. */
export interface TrustedPublication {
  readonly latest: Latest;
  /** Names of the verifications that passed. */
  readonly by: VerifiedPublication['by'];
}

/**
 * Verifies a published folder without installing it.
 * @throws {TrustError} NOT_SIGNED if it has nothing to verify
 */
export async function verifyPublication(
  remote: Remote,
  options: TrustOptions = {},
  signal?: AbortSignal,
): Promise<VerifiedPublication> {
  const { latest, by } = await trustedPublication(remote, options, signal);
  const { name, version, generation } = latest;
  return { name, version, generation, by };
}

/** Like `verifyPublication`, with all that latest.json says. */
export async function trustedPublication(
  remote: Remote,
  options: TrustOptions,
  signal?: AbortSignal,
): Promise<TrustedPublication> {
  let record: TrustRecord | undefined;
  const context: VerifyContext = {
    remote,
    options,
    get record() {
      return record;
    },
    async keep(more) {
      record = more;
    },
    ...(signal && { signal }),
  };
  const latest = await verifyLatest(await readSmall(remote, LATEST, MAX_LATEST_BYTES, signal), context);
  const { name, version, generation } = latest;
  await verifySignature(await manifestOf(remote, generation, signal), generation, undefined, context);
  // `keep` has been called for each
  const { tuf, publicKey } = (record ?? {}) as TrustRecord;
  const by = [...(tuf ? ['tuf'] : []), ...(publicKey === undefined ? [] : ['signature'])];
  if (by.length > 0) return { latest, by };
  const advice = 'pin a root or a public key if you expect it to be signed';
  throw new TrustError('NOT_SIGNED', `${remote.name}: ${name} ${version} is not signed; ${advice}`, {
    where: remote.name,
  });
}
