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
    const index = await indexOf(remote, updateFile(from, generation), headBytes, signal);
    if (index) yield { from, old: await manifestOf(remote, from, signal), index };
  }
}

/** @returns undefined if the file is missing */
async function indexOf(
  remote: Remote,
  path: string,
  headBytes: number,
  signal?: AbortSignal,
): Promise<UpdateIndex | undefined> {
  const where = `${remote.name}: ${path}`;
  if (headBytes > MAX_MANIFEST_BYTES)
    throw new PackageError(
      'BAD_UPDATE',
      `${where} begins with ${headBytes} bytes, expected at most ${MAX_MANIFEST_BYTES}`,
      {
        where,
      },
    );
  const run = await remote.open(path, 0, headBytes, signal);
  if (!run) return undefined;
  const head = new Uint8Array(Math.min(headBytes, run.size));
  await run.read(head).finally(() => run.close());
  const packed = head.length >= 4 ? indexBytes(head) : 0;
  return readUpdateIndex(head.subarray(4, 4 + packed), where);
}
