/**
 * Bytes of a piece or delta whose download was interrupted, so that the next pull goes on where it stopped. A package has one at most:
 *
 *     packages/NAME/part     [ SHA-256 of the key and the bytes ][ bytes ]
 *
 * The key says what they are a part of: the path in the published folder, and the range.
 */
import { sha256 } from '#leaf/formats/download/sha256';
import { MAX_PIECE_BYTES } from './manifest.ts';
import type { StoreFiles } from './storeFiles.ts';

const HASH_CHARACTERS = 64;

export class PartialPiece {
  readonly #files: StoreFiles;
  readonly #path: string;

  /** @param folder folder of the package in the store */
  constructor(files: StoreFiles, folder: string) {
    this.#files = files;
    this.#path = `${folder}/part`;
  }

  /** @returns undefined if there is none, or it is damaged or of another key */
  async read(key: string): Promise<Uint8Array | undefined> {
    const size = await this.#files.size(this.#path);
    if (size === undefined || size <= HASH_CHARACTERS || size > HASH_CHARACTERS + MAX_PIECE_BYTES) return undefined;
    const file = new Uint8Array(size);
    await this.#files.read(this.#path, 0, file);
    const bytes = file.subarray(HASH_CHARACTERS);
    const found = new TextDecoder().decode(file.subarray(0, HASH_CHARACTERS));
    return found === hashOfPart(key, bytes) ? bytes : undefined;
  }

  async keep(key: string, bytes: Uint8Array): Promise<void> {
    const file = new Uint8Array(HASH_CHARACTERS + bytes.length);
    file.set(new TextEncoder().encode(hashOfPart(key, bytes)));
    file.set(bytes, HASH_CHARACTERS);
    await this.#files.write(this.#path, file);
  }

  remove(): Promise<void> {
    return this.#files.remove(this.#path);
  }
}

function hashOfPart(key: string, bytes: Uint8Array): string {
  const hash = sha256();
  hash.update(new TextEncoder().encode(key));
  hash.update(bytes);
  return hash.hex();
}
