/** Reads what a published package says of its versions and updates. */
import { MAX_MANIFEST_BYTES, type Manifest, readManifest } from '../../formats/packages/manifest.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import { LATEST, type Latest, MAX_LATEST_BYTES, manifestFile, readLatest, updateFile } from './published.ts';
import { type Remote, readSmall } from './remote.ts';
import { indexBytes, readUpdateIndex, type UpdateIndex } from './updateFile.ts';

/** @throws {PackageError} BAD_PUBLICATION */
export async function latestOf(remote: Remote, signal?: AbortSignal): Promise<Latest> {
  return readLatest(await readSmall(remote, LATEST, MAX_LATEST_BYTES, signal), `${remote.name}: ${LATEST}`);
}

/** @throws {PackageError} BAD_MANIFEST; BAD_PUBLICATION if it is missing */
export async function manifestOf(remote: Remote, generation: string, signal?: AbortSignal): Promise<Manifest> {
  const path = manifestFile(generation);
  return readManifest(await readSmall(remote, path, MAX_MANIFEST_BYTES, signal), `${remote.name}: ${path}`, generation);
}

/** An update from an older version to the newest. */
export interface PublishedUpdate {
  readonly from: string;
  readonly old: Manifest;
  readonly index: UpdateIndex;
}

/** The updates whose files are there: a publisher may remove old ones. @throws {PackageError} BAD_UPDATE, BAD_MANIFEST, BAD_PUBLICATION */
export async function* updatesTo(
  remote: Remote,
  { generation, updates }: Latest,
  signal?: AbortSignal,
): AsyncGenerator<PublishedUpdate> {
  for (const [from, headBytes] of Object.entries(updates)) {
    const head = await headOf(remote, updateFile(from, generation), headBytes, signal);
    if (head) yield { from, old: await manifestOf(remote, from, signal), index: head.index };
  }
}

/** The index of an update file, with the patch of the manifest behind it. */
export interface UpdateHead {
  readonly index: UpdateIndex;
  readonly patch: Uint8Array;
  /** Offset of the deltas. */
  readonly bytes: number;
  /** Size of the whole file in bytes. */
  readonly size: number;
}

/** @param headBytes of index and patch @returns undefined if the file is missing @throws {PackageError} BAD_UPDATE */
export async function headOf(
  remote: Remote,
  path: string,
  headBytes: number,
  signal?: AbortSignal,
): Promise<UpdateHead | undefined> {
  const where = `${remote.name}: ${path}`;
  if (headBytes > MAX_MANIFEST_BYTES) {
    const problem = `its index has ${headBytes} bytes, expected at most ${MAX_MANIFEST_BYTES}`;
    throw new PackageError('BAD_UPDATE', `${where}: ${problem}`, { where });
  }
  const run = await remote.open(path, 0, headBytes, signal);
  if (!run) return undefined;
  const head = new Uint8Array(Math.min(headBytes, run.size));
  await run.read(head).finally(() => run.close());
  const end = 4 + (head.length >= 4 ? indexBytes(head) : 0);
  const index = await readUpdateIndex(head.subarray(4, end), where);
  const bytes = end + index.manifest[1];
  return { index, patch: head.subarray(end, bytes), bytes, size: run.size };
}
