/**
 * Small pieces of a store, many to a file, because file systems of browsers are slow with many files:
 *
 *     packs/SHA256     [ count ][ SHA-256, bytes ]… [ pieces, one after another ]
 *                        u32      32       u32
 *
 * A pack never changes. A piece may also lie in a file of its own, which is then the one that counts: a piece of a damaged pack is stored again that way.
 */
import { hashOf } from './hash.ts';
import type { Piece } from './manifest.ts';
import { PackageError } from './packageError.ts';
import type { StoreFiles } from './storeFiles.ts';

/** Largest piece that is packed. */
export const MAX_PACKED_BYTES = 16 * 1024;
/** Pieces wait in memory until they have so many bytes. */
const PACK_BYTES = 1024 * 1024;
const ENTRY_BYTES = 36;
const FOLDER = 'packs';

/** Location of a piece. */
export interface Place {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

export interface Pack {
  readonly path: string;
  readonly bytes: number;
  /** Places by the hash of the piece. */
  readonly pieces: ReadonlyMap<string, Place>;
}

export class Packs {
  readonly #files: StoreFiles;
  readonly #packs = new Map<string, Pack>();
  #waiting = new Map<string, Uint8Array>();
  #waitingBytes = 0;

  constructor(files: StoreFiles) {
    this.#files = files;
  }

  /** Adds a piece, which is stored at the next `flush` at the latest. */
  async add({ sha256 }: Piece, bytes: Uint8Array): Promise<void> {
    this.#waiting.set(sha256, bytes.slice());
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= PACK_BYTES) await this.flush();
  }

  /** Writes the pieces that wait. */
  async flush(): Promise<void> {
    if (this.#waiting.size === 0) return;
    const pieces = this.#waiting;
    this.#waiting = new Map();
    this.#waitingBytes = 0;
    const file = packOf(pieces);
    const path = `${FOLDER}/${hashOf(file)}`;
    await this.#files.write(path, file);
    this.#packs.set(path, { path, bytes: file.length, pieces: placesIn(file, path, file.length)! });
  }

  /** @param isNew looks for packs that other processes have written or removed, too */
  async find(sha256: string, isNew = false): Promise<Place | undefined> {
    const known = isNew ? undefined : this.#known(sha256);
    if (known) return known;
    await this.all();
    return this.#known(sha256);
  }

  /** Every readable pack of the store. */
  async all(): Promise<Pack[]> {
    const paths = new Set((await this.#files.list(FOLDER)).map((name) => `${FOLDER}/${name}`));
    for (const path of [...this.#packs.keys()]) if (!paths.has(path)) this.#packs.delete(path);
    for (const path of paths) {
      if (this.#packs.has(path)) continue;
      const pack = await this.#open(path);
      if (pack) this.#packs.set(path, pack);
    }
    return [...this.#packs.values()];
  }

  /** Paths of all packs, readable or not. */
  async paths(): Promise<string[]> {
    return (await this.#files.list(FOLDER)).map((name) => `${FOLDER}/${name}`);
  }

  #known(sha256: string): Place | undefined {
    for (const { pieces } of this.#packs.values()) {
      const place = pieces.get(sha256);
      if (place) return place;
    }
    return undefined;
  }

  /** Returns undefined for a damaged pack, and for one that another process removes. */
  async #open(path: string): Promise<Pack | undefined> {
    return this.#openThere(path).catch((error) => {
      if (error instanceof PackageError && error.code === 'BAD_STORE') return undefined;
      throw error;
    });
  }

  async #openThere(path: string): Promise<Pack | undefined> {
    const bytes = (await this.#files.size(path)) ?? 0;
    const first = new Uint8Array(4);
    if (bytes < first.length) return undefined;
    await this.#files.read(path, 0, first);
    const headBytes = 4 + new DataView(first.buffer).getUint32(0, true) * ENTRY_BYTES;
    if (headBytes > bytes) return undefined;
    const head = new Uint8Array(headBytes);
    await this.#files.read(path, 0, head);
    const pieces = placesIn(head, path, bytes);
    return pieces && { path, bytes, pieces };
  }
}

function packOf(pieces: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const headBytes = 4 + pieces.size * ENTRY_BYTES;
  const file = new Uint8Array([...pieces.values()].reduce((sum, { length }) => sum + length, headBytes));
  const view = new DataView(file.buffer);
  view.setUint32(0, pieces.size, true);
  let [entry, offset] = [4, headBytes];
  for (const [sha256, bytes] of pieces) {
    for (let i = 0; i < 32; i++) file[entry + i] = Number.parseInt(sha256.slice(2 * i, 2 * i + 2), 16);
    view.setUint32(entry + 32, bytes.length, true);
    file.set(bytes, offset);
    entry += ENTRY_BYTES;
    offset += bytes.length;
  }
  return file;
}

/** @param head of the file @param most bytes of the file @returns undefined if the entries do not fill the file exactly */
function placesIn(head: Uint8Array, path: string, most: number): Map<string, Place> | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const count = view.getUint32(0, true);
  const found = new Map<string, Place>();
  let offset = 4 + count * ENTRY_BYTES;
  for (let i = 0, entry = 4; i < count; i++, entry += ENTRY_BYTES) {
    const sha256 = [...head.subarray(entry, entry + 32)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const bytes = view.getUint32(entry + 32, true);
    found.set(sha256, { path, offset, bytes });
    offset += bytes;
  }
  return offset === most ? found : undefined;
}
