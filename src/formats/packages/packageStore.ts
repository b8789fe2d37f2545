/**
 * Packages on a device: pieces by their hash, manifests by theirs, and a pointer per package.
 *
 *     pieces/ab/abcdef…          bytes of a piece
 *     packs/SHA256               small pieces, many to a file: packs.ts
 *     manifests/GENERATION       canonical JSON
 *     roles/GENERATION.0|1       which of its components are installed, if not all are: installedRoles.ts
 *     packages/NAME/current.0…3  which generation is current, which one before it is kept
 *     packages/NAME/origin.0|1   where it came from
 *     packages/NAME/settled.0|1  in browsers: which change's files were found whole after they must have reached the disk
 *     packages/NAME/part         what an interrupted pull received of a piece: partialPiece.ts
 *     packages/NAME/trust.0|1    keys and signed metadata that later versions are verified against
 *
 * Pieces and manifests never change once they are whole, so versions and models share them. Nothing is visible before the pointer is switched, and a piece
 * is believed only if its hash was right when it was written by whoever committed it.
 */
import { checkPiece } from './checkPiece.ts';
import { FileHasher } from './fileHasher.ts';
import { hashOf } from './hash.ts';
import { InstalledRoles } from './installedRoles.ts';
import {
  isEssential,
  MAX_MANIFEST_BYTES,
  type Manifest,
  manifestBytes,
  type Piece,
  piecesOf,
  readManifest,
  withRoles,
} from './manifest.ts';
import { readOrigin, writeOrigin } from './origin.ts';
import { PackageError } from './packageError.ts';
import { MAX_PACKED_BYTES, Packs, type Place } from './packs.ts';
import { PartialPiece } from './partialPiece.ts';
import { acceptedGeneration, isSettled, markSettled, type Pointer, readPointer, writePointer } from './pointer.ts';
import type { StoreFiles } from './storeFiles.ts';
import { folderOf, manifestPath, piecePath } from './storePaths.ts';
import { type StoreUsage, usageOf } from './storeUsage.ts';
import { readTrustRecord, type TrustRecord, writeTrustRecord } from './trustRecord.ts';
import { type UnusedFile, unusedFiles } from './unusedFiles.ts';

/** Name of the lock of collecting: while one process does, no other begins to install. */
const COLLECTING = 'collect';

export class PackageStore {
  readonly #files: StoreFiles;
  /** Pieces that this process has written or hashed. */
  readonly #verified = new Set<string>();
  readonly #hasher: FileHasher;
  readonly #packs: Packs;
  readonly #roles: InstalledRoles;
  readonly #contents;

  constructor(files: StoreFiles) {
    this.#files = files;
    this.#hasher = new FileHasher(files);
    this.#packs = new Packs(files);
    this.#roles = new InstalledRoles(files);
    const manifest = (generation: string) => this.manifest(generation);
    const installed = (generation: string) => this.installed(generation);
    this.#contents = { files, packs: this.#packs, roles: this.#roles, manifest, installed };
  }

  /** Folder of the store, for the option `packages` of `load`. Undefined in memory. */
  get folder(): string | undefined {
    return this.#files.folder;
  }

  /** Location for error messages. */
  get name(): string {
    return this.#files.name;
  }

  /** Lets one process or tab at a time change a package. */
  changing<T>(name: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#files.locked(folderOf(name), work, signal);
  }

  /** True if the piece is here and whole. Its bytes are hashed once per process; another process may have removed them since. */
  async has(piece: Piece): Promise<boolean> {
    const place = await this.#placeOf(piece);
    if (place?.bytes !== piece.bytes) return false;
    if (this.#verified.has(piece.sha256)) return true;
    // a pack that is shorter than its entries say is damaged
    const found = await this.#hasher.hash(place).catch(() => undefined);
    if (found === piece.sha256) this.#verified.add(piece.sha256);
    return found === piece.sha256;
  }

  /**
   * Stores a piece. Small ones wait in memory until `flush` or `commit`.
   * @throws {PackageError} BAD_PIECE if the bytes are not the piece's; STORE_FULL
   */
  async put(piece: Piece, bytes: Uint8Array, from: string): Promise<void> {
    checkPiece(piece, bytes, from);
    if (await this.has(piece)) return;
    // what lies damaged in a pack gets a file of its own, which counts
    if (piece.bytes <= MAX_PACKED_BYTES && !(await this.#packs.find(piece.sha256))) await this.#packs.add(piece, bytes);
    else await this.#files.write(piecePath(piece.sha256), bytes);
    this.#verified.add(piece.sha256);
  }

  /** Stores the small pieces that still wait in memory. */
  async flush(): Promise<void> {
    await this.#packs.flush();
  }

  /** @param isNew looks for what other processes have changed */
  async #placeOf({ sha256, bytes }: Piece, isNew = false): Promise<Place | undefined> {
    const path = piecePath(sha256);
    if (bytes > MAX_PACKED_BYTES) {
      const size = await this.#files.size(path);
      return size === undefined ? undefined : { path, offset: 0, bytes: size };
    }
    const size = await this.#files.size(path);
    return size === bytes ? { path, offset: 0, bytes } : this.#packs.find(sha256, isNew);
  }

  /** Reads from a piece of an installed generation. @param into as many bytes as are wanted */
  async read(piece: Piece, offset: number, into: Uint8Array): Promise<void> {
    const path = piecePath(piece.sha256);
    if (piece.bytes > MAX_PACKED_BYTES) return this.#files.read(path, offset, into);
    const place = (await this.#placeOf(piece)) ?? { path, offset: 0 };
    await this.#files.read(place.path, place.offset + offset, into).catch(async (error) => {
      // another process may have moved it to another pack
      const moved = await this.#placeOf(piece, true);
      if (!moved || moved.path === place.path) throw error;
      await this.#files.read(moved.path, moved.offset + offset, into);
    });
  }

  /** Reads and verifies a piece. @param bytes where it goes @throws {PackageError} BAD_PIECE if the store's file is damaged */
  async piece(piece: Piece, bytes: Uint8Array = new Uint8Array(piece.bytes)): Promise<Uint8Array> {
    await this.read(piece, 0, bytes);
    checkPiece(piece, bytes, this.name);
    return bytes;
  }

  /** Pieces of the installed components of a stored generation that are missing or damaged. @throws {PackageError} BAD_MANIFEST */
  async damaged(generation: string): Promise<Piece[]> {
    const found: Piece[] = [];
    for (const { piece } of piecesOf(await this.installed(generation))) if (!(await this.has(piece))) found.push(piece);
    return found;
  }

  /**
   * The manifest of a stored generation with those of its components that are installed.
   * @param whole the manifest, if it was read already
   * @throws {PackageError} BAD_MANIFEST
   */
  async installed(generation: string, whole?: Manifest): Promise<Manifest> {
    const manifest = whole ?? (await this.manifest(generation));
    const roles = await this.#roles.of(generation);
    return roles ? withRoles(manifest, roles) : manifest;
  }

  /** @throws {PackageError} BAD_MANIFEST if it is missing or damaged */
  async manifest(generation: string): Promise<Manifest> {
    const bytes = await this.#storedManifest(generation);
    if (!bytes)
      throw new PackageError('BAD_MANIFEST', `${this.name}: no manifest of generation ${generation}`, { generation });
    return readManifest(bytes, `${this.name}/${manifestPath(generation)}`, generation);
  }

  async #storedManifest(generation: string): Promise<Uint8Array | undefined> {
    const path = manifestPath(generation);
    const size = await this.#files.size(path);
    if (size === undefined) return undefined;
    // of a damaged file, so much that its size is refused
    const bytes = new Uint8Array(Math.min(size, MAX_MANIFEST_BYTES + 1));
    await this.#files.read(path, 0, bytes);
    return bytes;
  }

  /**
   * Generation that models are loaded from; undefined if there is none. Where a power failure may lose written files, the pieces of a new version are
   * verified until they must have reached the disk; the previous version is used if they are damaged.
   * @throws {PackageError} BAD_PIECE if neither version is whole
   */
  async accepted(name: string): Promise<string | undefined> {
    const pointer = await this.current(name);
    const accepted = pointer && acceptedGeneration(pointer);
    if (accepted === undefined || this.#files.isDurable) return accepted;
    if (await isSettled(this.#files, folderOf(name), pointer!)) return accepted;
    if (await this.#isWhole(accepted)) {
      await markSettled(this.#files, folderOf(name), pointer!);
      return accepted;
    }
    if (await this.#keepWholeComponents(accepted)) return accepted;
    const { previous } = pointer!;
    if (previous !== undefined && previous !== accepted && (await this.#isWhole(previous))) return previous;
    const problem = `files of ${name} were lost or damaged, and no earlier version is whole: pull it again`;
    throw new PackageError('BAD_PIECE', `${this.name}: ${problem}`, { package: name, generation: accepted });
  }

  /** Forgets components that were added and whose pieces were lost. @returns false if the others are damaged, too, or none was added */
  async #keepWholeComponents(generation: string): Promise<boolean> {
    const added = await this.#roles.of(generation);
    const manifest = added && (await this.installed(generation).catch(() => undefined));
    if (!manifest) return false;
    const whole: string[] = [];
    for (const { role } of manifest.components) {
      let isThere = true;
      for (const { piece } of piecesOf(withRoles(manifest, new Set([role])))) isThere &&= await this.has(piece);
      if (isThere) whole.push(role);
      else if (isEssential(role)) return false;
    }
    await this.#roles.keep(generation, whole);
    return true;
  }

  async #isWhole(generation: string): Promise<boolean> {
    return this.damaged(generation).then(
      (pieces) => pieces.length === 0,
      () => false,
    );
  }

  /** Returns undefined if the package is not installed. */
  async current(name: string): Promise<Pointer | undefined> {
    return readPointer(this.#files, folderOf(name));
  }

  /**
   * Makes a generation current. The current one becomes the previous one. Call it within `changing`.
   * @param isTrial models are still loaded from the previous generation until `accept`; `reject` returns to it
   * @param roles of the components to install. Default: all
   * @throws {PackageError} BAD_PIECE if a piece is missing
   */
  async commit(value: Manifest, isTrial = false, roles?: ReadonlySet<string>): Promise<Pointer> {
    await this.flush();
    await this.#packs.all();
    for (const { piece, section } of piecesOf(roles ? withRoles(value, roles) : value)) {
      if (await this.has(piece)) continue;
      const problem = `piece ${piece.sha256} of ${section.name} is missing, so ${value.name} ${value.version} cannot be installed`;
      throw new PackageError('BAD_PIECE', `${this.name}: ${problem}`, { piece: piece.sha256 });
    }
    const generation = await this.#keepManifest(value);
    const kept = value.components.map(({ role }) => role).filter((role) => roles?.has(role) ?? true);
    await this.#roles.keep(generation, kept, roles === undefined);
    const before = await this.current(value.name);
    if (before?.generation === generation) return before;
    const trial = isTrial ? { ...(before?.previous !== undefined && { previous: before.previous }) } : undefined;
    return this.#point(value.name, before, generation, before?.generation, trial);
  }

  /** Ends the trial of the current generation: models are loaded from it from now on. */
  async accept(name: string): Promise<Pointer | undefined> {
    const before = await this.current(name);
    if (!before?.trial) return before;
    return this.#point(name, before, before.generation, before.previous);
  }

  /**
   * Ends a trial by returning to the generation before it; also a trial that a crash interrupted. Does nothing if there is no trial.
   * Call it within `changing`.
   */
  async reject(name: string): Promise<Pointer | undefined> {
    const before = await this.current(name);
    if (!before?.trial || before.previous === undefined) return before;
    return this.#point(name, before, before.previous, before.trial.previous);
  }

  /** Makes the previous generation current again. @throws {PackageError} NO_PREVIOUS */
  async rollback(name: string): Promise<Pointer> {
    const before = await this.current(name);
    if (!before?.previous)
      throw new PackageError('NO_PREVIOUS', `${this.name}: no earlier generation of ${name} is kept`, {
        package: name,
      });
    await this.manifest(before.previous);
    return this.#point(name, before, before.previous, before.generation);
  }

  /** Returns undefined if the package was never verified against signatures. */
  async trust(name: string): Promise<TrustRecord | undefined> {
    return readTrustRecord(this.#files, folderOf(name));
  }

  /** Call it within `changing`. */
  async keepTrust(name: string, record: TrustRecord): Promise<void> {
    await writeTrustRecord(this.#files, folderOf(name), record);
  }

  /** Location that the package was last installed from. Undefined if the application did not keep it. */
  origin(name: string): Promise<string | undefined> {
    return readOrigin(this.#files, folderOf(name));
  }

  keepOrigin(name: string, location: string): Promise<void> {
    return writeOrigin(this.#files, folderOf(name), location);
  }

  /**
   * Marks a version whose pieces will be stored as in use, so that `collect` keeps those that are. Look for its pieces afterwards. Call it within `changing`.
   * @returns a function that ends it
   */
  async expect(value: Manifest): Promise<() => Promise<void>> {
    const bytes = manifestBytes(value);
    const release = await this.#files.locked(COLLECTING, () => this.#files.hold(hashOf(bytes)));
    try {
      await this.#keepManifest(value, bytes);
      await this.#packs.all();
    } catch (error) {
      await release();
      throw error;
    }
    return release;
  }

  /** The received bytes of a piece whose download was interrupted. */
  partOf(name: string): PartialPiece {
    return new PartialPiece(this.#files, folderOf(name));
  }

  /** @returns its generation */
  async #keepManifest(value: Manifest, bytes = manifestBytes(value)): Promise<string> {
    const generation = hashOf(bytes);
    // never overwrite an intact manifest: a rollback may need it
    const stored = await this.#storedManifest(generation).catch(() => undefined);
    if (!stored || hashOf(stored) !== generation) await this.#files.write(manifestPath(generation), bytes);
    return generation;
  }

  /** Marks a generation as in use, so that `collect` keeps it. Needs no room on the disk. */
  hold(generation: string): Promise<() => Promise<void>> {
    return this.#files.hold(generation);
  }

  /** Removes all pieces that no current, previous or used generation needs. @returns bytes freed */
  async collect(signal?: AbortSignal): Promise<number> {
    let isAlone = false;
    const collect = () => {
      isAlone = true;
      return this.#collectAlone(signal);
    };
    return this.#files.locked(COLLECTING, collect, signal).catch((error) => {
      // a disk without room for the lock has none for an installation either
      if (isAlone || error.code !== 'STORE_FULL') throw error;
      return collect();
    });
  }

  async #collectAlone(signal?: AbortSignal): Promise<number> {
    let freed = await this.#files.sweep();
    const remove = async ({ path, bytes, lost }: UnusedFile) => {
      signal?.throwIfAborted();
      await this.#files.remove(path);
      for (const sha256 of lost) this.#verified.delete(sha256);
      freed += bytes;
    };
    const unused = await unusedFiles(this.#contents);
    const packs = unused.filter(({ moving = [] }) => moving.length > 0);
    for (const file of unused) if (!packs.includes(file)) await remove(file);
    // what is still needed of a pack moves to another one before it is removed
    for (const { piece, place } of packs.flatMap(({ moving = [] }) => moving)) {
      signal?.throwIfAborted();
      const bytes = new Uint8Array(place.bytes);
      await this.#files.read(place.path, place.offset, bytes);
      await this.#packs.add(piece, bytes);
    }
    await this.flush();
    for (const file of packs) await remove(file);
    await this.#packs.all();
    return freed;
  }

  /** Names of the installed packages, except those whose first version is on trial. */
  async names(): Promise<string[]> {
    const folders = await this.#files.list('packages');
    const pointers = await Promise.all(folders.map((folder) => readPointer(this.#files, `packages/${folder}`)));
    return folders.filter((_, i) => pointers[i] && acceptedGeneration(pointers[i])).map(decodeURIComponent);
  }

  usage(): Promise<StoreUsage> {
    return usageOf(this.#contents);
  }

  async #point(
    name: string,
    before: Pointer | undefined,
    generation: string,
    previous: string | undefined,
    trial?: Pointer['trial'],
  ): Promise<Pointer> {
    const pointer: Pointer = {
      sequence: (before?.sequence ?? 0) + 1,
      generation,
      ...(previous !== undefined && { previous }),
      ...(trial && { trial }),
      ...(!this.#files.isDurable && { changed: Date.now() }),
    };
    await writePointer(this.#files, folderOf(name), pointer);
    return pointer;
  }
}
