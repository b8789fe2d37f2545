/** The disk usage of a store, with the reasons why bytes are kept. */
import { type Manifest, pieceSizes } from './manifest.ts';
import { PackageError } from './packageError.ts';
import { type Pointer, readPointer } from './pointer.ts';
import { type StoreContents, type StoredFile, storedFiles, unusedFiles } from './unusedFiles.ts';

export interface StoredPackage {
  readonly name: string;
  readonly generation: string;
  /** Empty if the manifest is damaged. */
  readonly version: string;
  /** Roles of the installed components. */
  readonly roles: readonly string[];
  /** Bytes of their pieces, which other packages may share. */
  readonly bytes: number;
  /** The generation that `rollback` returns to. */
  readonly previous?: string;
  /** Bytes of pieces that are only kept for the rollback. */
  readonly previousBytes: number;
  /** The version has not passed its test: models are loaded from the previous one, if there is any. */
  readonly isTrial?: true;
  /** Reason why the version cannot be used. The next pull repairs it. */
  readonly problem?: string;
}

export interface StoreUsage {
  /** Bytes of all pieces and manifests. */
  readonly bytes: number;
  /** Bytes that only generations need that processes or tabs are using. */
  readonly held: number;
  /** Bytes that no current, previous or held generation needs. */
  readonly unused: number;
  readonly packages: readonly StoredPackage[];
}

export async function usageOf(contents: StoreContents): Promise<StoreUsage> {
  const packages: StoredPackage[] = [];
  for (const folder of await contents.files.list('packages')) {
    const pointer = await readPointer(contents.files, `packages/${folder}`);
    if (pointer) packages.push(await describe(contents, decodeURIComponent(folder), pointer));
  }
  const all = await storedFiles(contents);
  // a damaged manifest does not say what its package needs, so nothing is known to be unused
  const isKnown = packages.every(({ problem }) => problem === undefined);
  const unused = isKnown ? total(await unusedFiles(contents, all)) : 0;
  const held = isKnown ? total(await unusedFiles(contents, all, new Set())) - unused : 0;
  return { bytes: total(all), held, unused, packages };
}

async function describe(
  contents: StoreContents,
  name: string,
  { generation, previous, trial }: Pointer,
): Promise<StoredPackage> {
  const more = { ...(previous !== undefined && { previous }), ...(trial && { isTrial: true as const }) };
  let installed: Manifest;
  try {
    installed = await contents.installed(generation);
  } catch (error) {
    if (!(error instanceof PackageError)) throw error;
    const problem = error.message;
    return { name, generation, version: '', roles: [], bytes: 0, previousBytes: 0, ...more, problem };
  }
  const { version, components } = installed;
  const roles = components.map(({ role }) => role);
  const sizes = pieceSizes(installed);
  const before = previous === undefined ? undefined : await contents.installed(previous).catch(() => undefined);
  const kept = before ? [...pieceSizes(before)].filter(([hash]) => !sizes.has(hash)) : [];
  const sum = (bytes: readonly number[]) => bytes.reduce((all, each) => all + each, 0);
  const bytes = sum([...sizes.values()]);
  return { name, version, generation, roles, bytes, previousBytes: sum(kept.map(([, size]) => size)), ...more };
}

const total = (files: readonly StoredFile[]) => files.reduce((sum, { bytes }) => sum + bytes, 0);
