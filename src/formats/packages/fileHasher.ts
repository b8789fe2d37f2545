/** Hashes parts of a store's files. */
import { sha256 } from '#leaf/formats/download/sha256';
import type { Place } from './packs.ts';
import type { StoreFiles } from './storeFiles.ts';

/** Bytes that are read and hashed at a time. */
const READ_BYTES = 2 ** 20;

export class FileHasher {
  readonly #files: StoreFiles;
  /** One buffer for all pieces, while nobody uses it: garbage of their size would cost more memory than the rest of an update. */
  #buffer: Uint8Array | undefined;

  constructor(files: StoreFiles) {
    this.#files = files;
  }

  /** @throws {PackageError} BAD_STORE if the file is shorter */
  async hash({ path, offset, bytes }: Place): Promise<string> {
    const buffer = this.#buffer ?? new Uint8Array(READ_BYTES);
    this.#buffer = undefined;
    try {
      const hash = sha256();
      for (let done = 0; done < bytes; done += READ_BYTES) {
        const part = buffer.subarray(0, Math.min(READ_BYTES, bytes - done));
        await this.#files.read(path, offset + done, part);
        hash.update(part);
      }
      return hash.hex();
    } finally {
      this.#buffer = buffer;
    }
  }
}
