/**
 * Signs a folder of files as a TUF repository. Keys are ECDSA P-256, one for each role; the root's key is only needed for a new root. Files of older
 * versions stay, so that clients in the middle of a refresh can finish it.
 */
import { hashOf } from '../../../formats/packages/hash.ts';
import type { PrivateKey } from '../ecdsaKey.ts';
import { toHex } from '../encodings.ts';
import { TrustError } from '../trustError.ts';
import { olpcJson } from './canonicalJson.ts';
import { type RoleType, readMetadata, type Signed, type TufKey } from './metadata.ts';

export const ROLES = ['root', 'targets', 'snapshot', 'timestamp'] as const satisfies readonly RoleType[];

/** Reads and writes the metadata files. */
export interface TufFiles {
  /** Location for error messages. */
  readonly name: string;
  read(file: string): Promise<Uint8Array | undefined>;
  write(file: string, bytes: Uint8Array): Promise<void>;
}

export interface TargetToSign {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface SignOptions {
  /** By role. */
  readonly keys: Partial<Readonly<Record<RoleType, PrivateKey>>>;
  /** Lifetime of the metadata in days, by role. */
  readonly days?: Partial<Readonly<Record<RoleType, number>>>;
  /** Default: the system's clock. */
  readonly now?: Date;
}

const SPEC_VERSION = '1.0.31';
const defaultDays: Readonly<Record<RoleType, number>> = { root: 365, targets: 90, snapshot: 90, timestamp: 14 };
const schemeOf: Readonly<Record<string, string>> = {
  'P-256': 'ecdsa-sha2-nistp256',
  'P-384': 'ecdsa-sha2-nistp384',
  'P-521': 'ecdsa-sha2-nistp521',
};

/** Root metadata's form of a key. */
export function tufKey({ publicKey }: PrivateKey): { readonly id: string; readonly key: TufKey } {
  const key = { keytype: 'ecdsa', scheme: schemeOf[publicKey.curve], keyval: { public: publicKey.pem } };
  return { id: hashOf(new TextEncoder().encode(olpcJson(key))), key };
}

/** Newest root of a repository; undefined if it has none. */
export async function newestRoot(files: TufFiles): Promise<Signed<'root'> | undefined> {
  let root: Signed<'root'> | undefined;
  for (let version = 1; ; version++) {
    const bytes = await files.read(`${version}.root.json`);
    if (!bytes) return root;
    root = readMetadata('root', bytes, `${files.name}/${version}.root.json`).signed;
  }
}

/**
 * Writes a root: the first one, or the next one with other keys. The next one is signed by the keys of both roots.
 * @param keys the key of each role from now on @param before the root key until now, if it is replaced
 * @returns version of the root
 */
export async function signRoot(
  files: TufFiles,
  keys: Readonly<Record<RoleType, PrivateKey>>,
  options: Omit<SignOptions, 'keys'> & { readonly before?: PrivateKey } = {},
): Promise<number> {
  const old = await newestRoot(files);
  const used = ROLES.map((role) => [role, tufKey(keys[role])] as const);
  const signed: Signed<'root'> = {
    ...common('root', (old?.version ?? 0) + 1, options),
    _type: 'root',
    consistent_snapshot: true,
    keys: Object.fromEntries(used.map(([, { id, key }]) => [id, key])),
    roles: Object.fromEntries(used.map(([role, { id }]) => [role, { keyids: [id], threshold: 1 }])) as never,
  };
  const signers = [keys.root, ...(options.before ? [options.before] : [])];
  if (old) checkMaySign(old, 'root', signers, files.name);
  await write(files, `${signed.version}.root.json`, signed, signers);
  return signed.version;
}

/** Writes new targets, snapshot and timestamp. @throws {TrustError} BAD_KEY if a key is missing or may not sign for its role */
export async function signTargets(
  files: TufFiles,
  targets: readonly TargetToSign[],
  options: SignOptions,
): Promise<void> {
  const old = await newestTimestamp(files);
  const version = (old?.targets ?? 0) + 1;
  const listed = await Promise.all(
    targets.map(async ({ path, bytes }) => {
      return [path, { length: bytes.length, hashes: { sha256: hashOf(bytes) } }] as const;
    }),
  );
  const signed: Signed<'targets'> = {
    ...common('targets', version, options),
    _type: 'targets',
    targets: Object.fromEntries(listed),
  };
  const bytes = await writeAs(files, 'targets', `${version}.targets.json`, signed, options);
  await writeSnapshot(files, version, bytes, (old?.snapshot ?? 0) + 1, options);
}

async function writeSnapshot(
  files: TufFiles,
  targets: number,
  bytes: Uint8Array,
  version: number,
  options: SignOptions,
) {
  const signed: Signed<'snapshot'> = {
    ...common('snapshot', version, options),
    _type: 'snapshot',
    meta: { 'targets.json': { version: targets, length: bytes.length, hashes: { sha256: hashOf(bytes) } } },
  };
  const written = await writeAs(files, 'snapshot', `${version}.snapshot.json`, signed, options);
  await writeTimestamp(files, version, written, options);
}

async function writeTimestamp(files: TufFiles, snapshot: number, bytes: Uint8Array, options: SignOptions) {
  const old = await newestTimestamp(files);
  const signed: Signed<'timestamp'> = {
    ...common('timestamp', (old?.timestamp ?? 0) + 1, options),
    _type: 'timestamp',
    meta: { 'snapshot.json': { version: snapshot, length: bytes.length, hashes: { sha256: hashOf(bytes) } } },
  };
  await writeAs(files, 'timestamp', 'timestamp.json', signed, options);
}

/**
 * Signs the timestamp anew, which keeps an unchanged repository from expiring. With a snapshot or targets key, those too.
 * @throws {TrustError} NOT_SIGNED if nothing was signed before; BAD_KEY
 */
export async function renew(files: TufFiles, options: SignOptions): Promise<void> {
  const old = await newestTimestamp(files);
  if (!old) throw new TrustError('NOT_SIGNED', `${files.name}: is not signed yet`, { where: files.name });
  const targets = `${old.targets}.targets.json`;
  if (options.keys.targets && options.keys.snapshot) {
    const { signed } = readMetadata('targets', await existing(files, targets), `${files.name}/${targets}`);
    const next = { ...signed, ...common('targets', old.targets + 1, options) };
    const bytes = await writeAs(files, 'targets', `${next.version}.targets.json`, next, options);
    return writeSnapshot(files, next.version, bytes, old.snapshot + 1, options);
  }
  if (options.keys.snapshot)
    return writeSnapshot(files, old.targets, await existing(files, targets), old.snapshot + 1, options);
  return writeTimestamp(files, old.snapshot, await existing(files, `${old.snapshot}.snapshot.json`), options);
}

/** Versions of the newest metadata. */
async function newestTimestamp(files: TufFiles) {
  const bytes = await files.read('timestamp.json');
  if (!bytes) return undefined;
  const { signed } = readMetadata('timestamp', bytes, `${files.name}/timestamp.json`);
  const snapshot = signed.meta['snapshot.json'].version;
  const name = `${snapshot}.snapshot.json`;
  const { meta } = readMetadata('snapshot', await existing(files, name), `${files.name}/${name}`).signed;
  return { timestamp: signed.version, snapshot, targets: meta['targets.json']?.version ?? 0 };
}

async function existing(files: TufFiles, file: string): Promise<Uint8Array> {
  const bytes = await files.read(file);
  if (bytes) return bytes;
  throw new TrustError('NOT_SIGNED', `${files.name}/${file} is missing`, { where: files.name, file });
}

async function writeAs<T extends Exclude<RoleType, 'root'>>(
  files: TufFiles,
  role: T,
  file: string,
  signed: Signed<T>,
  { keys }: SignOptions,
): Promise<Uint8Array> {
  const key = keys[role];
  if (!key) throw new TrustError('BAD_KEY', `${files.name}: the key of the role ${role} is missing`, { role });
  const root = await newestRoot(files);
  if (!root) throw new TrustError('NOT_SIGNED', `${files.name}: has no root yet`, { where: files.name });
  checkMaySign(root, role, [key], files.name);
  return write(files, file, signed, [key]);
}

function checkMaySign(root: Signed<'root'>, role: RoleType, keys: readonly PrivateKey[], where: string): void {
  if (keys.some((key) => root.roles[role].keyids.includes(tufKey(key).id))) return;
  const problem = `the key of the role ${role} is not the one that ${root.version}.root.json names`;
  throw new TrustError('BAD_KEY', `${where}: ${problem}: use that key, or sign a new root first`, { role });
}

async function write(files: TufFiles, file: string, signed: object, keys: readonly PrivateKey[]): Promise<Uint8Array> {
  const payload = new TextEncoder().encode(olpcJson(signed));
  const signatures = new Map<string, string>();
  for (const key of keys) signatures.set(tufKey(key).id, toHex(await key.sign(payload)));
  const list = [...signatures].map(([keyid, sig]) => ({ keyid, sig }));
  const bytes = new TextEncoder().encode(JSON.stringify({ signatures: list, signed }));
  await files.write(file, bytes);
  return bytes;
}

function common(role: RoleType, version: number, { days, now = new Date() }: Omit<SignOptions, 'keys'>) {
  const lifetime = days?.[role] ?? defaultDays[role];
  const expires = new Date(now.getTime() + lifetime * 86_400_000).toISOString().replace(/\.\d+Z$/, 'Z');
  return { spec_version: SPEC_VERSION, version, expires };
}
