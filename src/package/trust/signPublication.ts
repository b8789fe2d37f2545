/**
 * Signs the newest version of a published package: its files as a model of OpenSSF Model Signing, the recipes of its updates as statements
 * of derivation, and latest.json as a TUF target.
 */
import { hashOf } from '../../formats/packages/hash.ts';
import type { Publication } from '../update/publish.ts';
import { derivationFile, LATEST, signatureFile, trustedLatestFile, trustFile } from '../update/published.ts';
import { latestOf, manifestOf, updatesTo } from '../update/readPublished.ts';
import { readIfThere } from '../update/remote.ts';
import { derivationBytes } from './derivation.ts';
import type { PrivateKey } from './ecdsaKey.ts';
import { signModel } from './oms/bundle.ts';
import { signedResourcesOf } from './signedPackage.ts';
import { signStatement } from './statementBundle.ts';
import { TrustError } from './trustError.ts';
import type { RoleType } from './tuf/metadata.ts';
import { newestRoot, ROLES, renew, type SignOptions, signRoot, signTargets, type TufFiles } from './tuf/repository.ts';

export interface SignedPublication {
  readonly name: string;
  readonly version: string;
  readonly generation: string;
  /** Version of the root that clients can pin: trust/N.root.json. */
  readonly root: number;
}

const MAX_METADATA_BYTES = 5_000_000;

/**
 * The first time, `keys` must have all roles, because a root is made; later all but the root's.
 * @throws {TrustError} BAD_KEY; {PackageError} BAD_PUBLICATION
 */
export async function signPublication(target: Publication, options: SignOptions): Promise<SignedPublication> {
  const { keys } = options;
  const targetsKey = neededKey(target, keys, 'targets');
  const latest = await latestOf(target);
  const { name, version, generation } = latest;
  const manifest = await manifestOf(target, generation);
  const model = { name, resources: signedResourcesOf(manifest), method: 'files', allowSymlinks: false } as const;
  const bundle = await signModel({ ...model, ignoredPaths: [] }, targetsKey);
  await target.write(signatureFile(generation), [bundle]);
  for await (const { from, old, index } of updatesTo(target, latest)) {
    if (index.derived.length === 0) continue;
    const statement = await signStatement(derivationBytes(old, manifest, index.derived), targetsKey);
    await target.write(derivationFile(from, generation), [statement]);
  }

  const files = trustFilesOf(target);
  const root = (await newestRoot(files))?.version ?? (await signRoot(files, allKeys(target, keys), options));
  const bytes = new TextEncoder().encode(JSON.stringify({ ...latest, trust: 'tuf' }));
  await target.write(trustedLatestFile(hashOf(bytes)), [bytes]);
  await signTargets(files, [{ path: LATEST, bytes }], options);
  await target.write(LATEST, [bytes]);
  return { name, version, generation, root };
}

/**
 * Writes the next root, with other keys, and signs everything again with them.
 * @param before the root's key until now, if it changes
 */
export async function rotateKeys(target: Publication, options: SignOptions, before?: PrivateKey): Promise<number> {
  const files = trustFilesOf(target);
  const version = await signRoot(files, allKeys(target, options.keys), { ...options, ...(before && { before }) });
  await renew(files, options);
  return version;
}

/** Extends the time until the metadata of a published package expires. Only the timestamp's key is needed. */
export async function renewPublication(target: Publication, options: SignOptions): Promise<void> {
  await renew(trustFilesOf(target), options);
}

function trustFilesOf(target: Publication): TufFiles {
  return {
    name: `${target.name}: ${trustFile('')}`,
    read: (file) => readIfThere(target, trustFile(file), MAX_METADATA_BYTES),
    write: (file, bytes) => target.write(trustFile(file), [bytes]),
  };
}

function allKeys(target: Publication, keys: SignOptions['keys']): Readonly<Record<RoleType, PrivateKey>> {
  return Object.fromEntries(ROLES.map((role) => [role, neededKey(target, keys, role)])) as Record<RoleType, PrivateKey>;
}

function neededKey({ name }: Publication, keys: SignOptions['keys'], role: RoleType): PrivateKey {
  const key = keys[role];
  if (key) return key;
  throw new TrustError('BAD_KEY', `${name}: the key of the role ${role} is missing`, { role });
}
