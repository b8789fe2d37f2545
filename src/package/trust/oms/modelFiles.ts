/** The files of a model, hashed for signing and compared with what was signed. */
import { sha256 } from '#leaf/formats/download/sha256';
import type { ByteSource } from '../../../formats/byteSource.ts';
import { TrustError } from '../trustError.ts';
import { NEVER_SIGNED, type SignedModel, type SignedResource } from './statement.ts';

/** A file of a model. Its name is the path relative to the model, with '/' between folders. */
export interface ModelFile {
  readonly name: string;
  readonly source: ByteSource;
}

export interface HashOptions {
  readonly signal?: AbortSignal;
}

const READ_BYTES = 1024 * 1024;

/** Hashes files as `model-signing` does with the method 'files'. @param ignoredPaths paths that are not signed, with what is below them */
export async function describeModel(
  name: string,
  files: readonly ModelFile[],
  ignoredPaths: readonly string[] = [],
  options: HashOptions = {},
): Promise<SignedModel> {
  const resources: SignedResource[] = [];
  for (const { name, source } of files)
    if (!isIgnored(name, ignoredPaths))
      resources.push({ name, digest: await hashRange(source, 0, source.size, options) });
  if (resources.length === 0) throw new TrustError('FILES_DIFFER', `${name} has no file to sign`, { model: name });
  return { name, resources, method: 'files', allowSymlinks: false, ignoredPaths };
}

/** @throws {TrustError} FILES_DIFFER naming the files that are missing, changed or not signed */
export async function compareModel(
  signed: SignedModel,
  files: readonly ModelFile[],
  where: string,
  options: HashOptions = {},
): Promise<void> {
  const found = new Map<string, string>();
  for (const { name, source } of files) {
    if (isIgnored(name, signed.ignoredPaths)) continue;
    if (signed.method === 'files') found.set(name, await hashRange(source, 0, source.size, options));
    else
      for (let start = 0; start < source.size; start += signed.shardSize!) {
        const end = Math.min(start + signed.shardSize!, source.size);
        found.set(`${name}:${start}:${end}`, await hashRange(source, start, end, options));
      }
  }
  compareDigests(signed.resources, found, where);
}

/** @param found digests by name @throws {TrustError} FILES_DIFFER */
export function compareDigests(
  signed: readonly SignedResource[],
  found: ReadonlyMap<string, string>,
  where: string,
): void {
  const listed = new Map(signed.map(({ name, digest }) => [name, digest]));
  const missing = [...listed.keys()].filter((name) => !found.has(name));
  const changed = [...listed]
    .filter(([name, digest]) => found.has(name) && found.get(name) !== digest)
    .map(([name]) => name);
  const unsigned = [...found.keys()].filter((name) => !listed.has(name));
  const problems = Object.entries({ missing, changed, 'not signed': unsigned })
    .filter(([, names]) => names.length > 0)
    .map(([problem, names]) => `${problem}: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ' …' : ''}`);
  if (problems.length > 0)
    throw new TrustError('FILES_DIFFER', `${where}: the files are not those that were signed: ${problems.join('; ')}`, {
      missing,
      changed,
      unsigned,
    });
}

function isIgnored(name: string, ignoredPaths: readonly string[]): boolean {
  return [...NEVER_SIGNED, ...ignoredPaths].some((path) => name === path || name.startsWith(`${path}/`));
}

async function hashRange(source: ByteSource, start: number, end: number, { signal }: HashOptions): Promise<string> {
  const hash = sha256();
  const buffer = new Uint8Array(Math.min(READ_BYTES, end - start));
  for (let at = start; at < end; at += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, end - at));
    await source.read(at, part.length, part, signal);
    hash.update(part);
  }
  return hash.hex();
}
