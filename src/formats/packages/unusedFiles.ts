/** Finds the files of a store that no current, previous or held generation needs. */
import type { InstalledRoles } from './installedRoles.ts';
import { type Manifest, type Piece, piecesOf } from './manifest.ts';
import type { Packs, Place } from './packs.ts';
import { readPointer } from './pointer.ts';
import type { StoreFiles } from './storeFiles.ts';
import { manifestPath, piecePath } from './storePaths.ts';

export interface StoreContents {
  readonly files: StoreFiles;
  readonly packs: Packs;
  readonly roles: InstalledRoles;
  /** Reads the manifest of a stored generation. */
  readonly manifest: (generation: string) => Promise<Manifest>;
  /** The same with its installed components only. */
  readonly installed: (generation: string) => Promise<Manifest>;
}

export interface StoredFile {
  readonly path: string;
  readonly bytes: number;
}

export interface UnusedFile extends StoredFile {
  /** Hashes of the pieces that are lost with it. */
  readonly lost: readonly string[];
  /** Pieces of a pack that are still needed. */
  readonly moving?: readonly { readonly piece: Piece; readonly place: Place }[];
}

/** All files with pieces, manifests and roles. */
export async function storedFiles({ files, packs, roles }: StoreContents): Promise<StoredFile[]> {
  const paths = (await files.list('manifests')).map((name) => `manifests/${name}`);
  paths.push(...(await roles.paths()));
  paths.push(...(await packs.paths()));
  for (const folder of await files.list('pieces'))
    for (const name of await files.list(`pieces/${folder}`)) paths.push(`pieces/${folder}/${name}`);
  return Promise.all(paths.map(async (path) => ({ path, bytes: (await files.size(path)) ?? 0 })));
}

/**
 * @param held generations in use. Default: those that any process or tab holds
 * @throws {PackageError} BAD_MANIFEST if the manifest of a current generation is damaged: then nothing can be said
 */
export async function unusedFiles(
  contents: StoreContents,
  all?: readonly StoredFile[],
  held?: ReadonlySet<string>,
): Promise<UnusedFile[]> {
  const { files, packs, roles, manifest } = contents;
  const used = new Set<string>();
  const usedPieces = new Map<string, Piece>();
  const current = new Set<string>();
  const generations = new Set(held ?? (await files.held()));
  for (const folder of await files.list('packages')) {
    const pointer = await readPointer(files, `packages/${folder}`);
    const { generation, previous, trial } = pointer ?? {};
    if (generation !== undefined) current.add(generation);
    for (const needed of [generation, previous, trial?.previous]) if (needed !== undefined) generations.add(needed);
  }
  for (const generation of generations) {
    // a kept version whose manifest was lost cannot be loaded any more
    const found = await manifest(generation).catch((error) => {
      if (current.has(generation)) throw error;
    });
    if (!found) continue;
    used.add(manifestPath(generation));
    for (const path of roles.pathsOf(generation)) used.add(path);
    for (const { piece } of piecesOf(found)) {
      used.add(piecePath(piece.sha256));
      usedPieces.set(piece.sha256, piece);
    }
  }
  const known = new Map((await packs.all()).map((pack) => [pack.path, pack]));
  return (all ?? (await storedFiles(contents))).flatMap(({ path, bytes }): UnusedFile[] => {
    const pack = known.get(path);
    if (!pack) return used.has(path) ? [] : [{ path, bytes, lost: [path.slice(path.lastIndexOf('/') + 1)] }];
    const moving = [...pack.pieces].flatMap(([sha256, place]) => {
      const piece = usedPieces.get(sha256);
      return piece ? [{ piece, place }] : [];
    });
    const needed = moving.reduce((sum, { place }) => sum + place.bytes, 0);
    const stored = [...pack.pieces.values()].reduce((sum, place) => sum + place.bytes, 0);
    // a pack with more than half of its bytes in use stays as it is, and where the new one might not be on the disk yet, any that is in use
    const stays = files.isDurable ? 2 * needed > stored : needed > 0;
    const lost = [...pack.pieces.keys()].filter((sha256) => !usedPieces.has(sha256));
    return stays ? [] : [{ path, bytes: bytes - needed, moving, lost }];
  });
}
