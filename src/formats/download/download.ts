/** Downloads and stores a file while it is read in file order. */
import { sha256 } from '#leaf/formats/download/sha256';
import { grouped, SourceError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import { type ByteSource, checkRange } from '../byteSource.ts';
import { httpSource } from '../sources/http.ts';
import { HttpFile, type HttpOptions } from '../sources/httpFile.ts';
import { nameOf } from '../sources/request.ts';
import type { PartialFile } from './cacheStore.ts';
import { cacheFull, type NotKeptError, notKept } from './notKept.ts';

export interface DownloadOptions extends HttpOptions {
  readonly onProgress?: OnProgress;
}

export interface DownloadTarget {
  readonly url: URL;
  readonly size: number;
  readonly sha256?: string;
  readonly partial: PartialFile;
  /** Open response of a first request, if any. */
  readonly file?: HttpFile;
  /** Bytes still available; undefined if unknown. */
  readonly available: () => Promise<number | undefined>;
  /** Called when the file is stored. */
  readonly onComplete?: () => Promise<void>;
}

const HASH_PART_BYTES = 1024 * 1024;

/**
 * Reads wait until the download has reached their range. If storing fails, the stored bytes are removed, later reads go to
 * the server, and `onNotice` reports it.
 * @throws {SourceError} from the server (`data.status`)
 */
export async function downloadingSource(target: DownloadTarget, options: DownloadOptions): Promise<ByteSource> {
  const download = new Download(target, options);
  try {
    await download.start();
    return download;
  } catch (error) {
    await download.close();
    throw error;
  }
}

class Download implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #target: DownloadTarget;
  readonly #options: DownloadOptions;
  /** Undefined if the file cannot be stored. */
  #partial: PartialFile | undefined;
  #file: HttpFile | undefined;
  /** SHA-256 of the partial file's bytes so far. */
  #hash?: ReturnType<typeof sha256>;
  /** Used if the file cannot be stored. */
  #direct?: ByteSource;
  #complete = false;
  #closed = false;
  /** The last call. Calls run one after another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(target: DownloadTarget, options: DownloadOptions) {
    this.name = nameOf(target.url);
    this.size = target.size;
    this.#target = target;
    this.#options = { ...options, noStore: true };
    this.#partial = target.partial;
    this.#file = target.file;
  }

  get isLocal(): boolean {
    return this.#partial !== undefined;
  }

  /** Resumes an earlier download. If a hash is known, the file is completed and verified first, as its start may be damaged. */
  async start(): Promise<void> {
    const { sha256: expected, available } = this.#target;
    const partial = this.#partial!;
    if (partial.size > this.size) await partial.clear();
    const room = await available().catch(() => undefined);
    const needed = this.size - partial.size;
    if (room !== undefined && needed > room) return this.#giveUp(cacheFull(this.name, needed, room));
    if (expected !== undefined) this.#hash = sha256();
    this.#report();
    if (partial.size === this.size && expected === undefined) return this.#keep();
    if (partial.size === 0 || expected === undefined) return;
    const { signal } = this.#options;
    await this.#hashPartial(signal);
    try {
      while (this.#partial && partial.size < this.size) await this.#pull(partial, signal);
      await this.#keep();
    } catch (error) {
      const misfit = error instanceof SourceError && (error.data.status === 416 || error instanceof SpoiledError);
      if (!misfit || !this.#partial) throw error;
      await partial.clear();
      this.#dropFile();
      this.#hash = sha256();
    }
  }

  async read(offset: number, length: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkRange(this, offset, length, into);
    signal?.throwIfAborted();
    await this.#inTurn(() => this.#readNow(offset, length, into, signal));
  }

  async finish(signal?: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      while (this.#partial && this.#partial.size < this.size) await this.#pullLast(this.#partial, signal);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#file?.close();
    await this.#last.catch(() => {});
    await this.#partial?.release();
    await this.#direct?.close();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  async #readNow(offset: number, length: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const left = length - done;
      const partial = this.#partial;
      if (!partial) return this.#readDirectly(at, left, into.subarray(done), signal);
      if (at < partial.size) {
        const count = Math.min(left, partial.size - at);
        const read = await partial.read(at, count, into.subarray(done)).then(
          () => true,
          (error) => this.#giveUp(error),
        );
        if (read) done += count;
        continue;
      }
      const start = partial.size;
      const bytes = await this.#pullLast(partial, signal);
      const part = bytes.subarray(Math.min(bytes.length, at - start)).subarray(0, left);
      into.set(part, done);
      done += part.length;
    }
  }

  async #readDirectly(offset: number, length: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.#direct ??= await httpSource(this.#target.url, { ...this.#options, noStore: false, signal });
    await this.#direct.read(offset, length, into, signal);
  }

  /** Downloads and stores the next bytes. */
  async #pull(partial: PartialFile, signal?: AbortSignal): Promise<Uint8Array> {
    if (this.#closed) throw new SourceError(this.name, 'was closed');
    const file = (this.#file ??= await HttpFile.open(this.#target.url, { ...this.#options, signal }, partial.size));
    if (file.size !== this.size) {
      const problem = `the server sends ${grouped(file.size)} bytes but described ${grouped(this.size)}`;
      throw new SpoiledError(this.name, problem, { expected: this.size, found: file.size });
    }
    const bytes = await file.next(partial.size, signal);
    this.#hash?.update(bytes);
    try {
      await partial.append(bytes);
      this.#report();
    } catch (error) {
      if (signal?.aborted || this.#closed) throw error;
      await this.#giveUp(error);
    }
    return bytes;
  }

  /** Downloads the next bytes. After the last ones, verifies and stores the file. @throws {SpoiledError} */
  async #pullLast(partial: PartialFile, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.#pull(partial, signal);
    if (!this.#partial || partial.size < this.size) return bytes;
    try {
      await this.#keep();
    } catch (error) {
      await partial.discard();
      this.#partial = undefined;
      throw error;
    }
    return bytes;
  }

  /** Verifies the whole file and stores it. @throws {SpoiledError} */
  async #keep(): Promise<void> {
    const { sha256: expected, onComplete } = this.#target;
    if (!this.#partial || this.#complete) return;
    const found = this.#hash?.hex();
    if (found !== expected) {
      const problem = `the downloaded bytes have the SHA-256 ${found}, the server expects ${expected}`;
      throw new SpoiledError(this.name, problem, { expected, found });
    }
    try {
      await this.#partial.complete();
      this.#complete = true;
      await onComplete?.();
    } catch (error) {
      await this.#giveUp(error);
    }
  }

  /** Continues without storing. */
  async #giveUp(cause: unknown): Promise<void> {
    const stored = this.#partial?.size ?? 0;
    await this.#partial?.discard().catch(() => {});
    this.#partial = undefined;
    const error = await notKept(this.name, cause, this.size, this.#target.available, stored);
    this.#dropFile();
    reportNotKept(error, this.#options);
  }

  async #hashPartial(signal?: AbortSignal): Promise<void> {
    const partial = this.#partial!;
    const buffer = new Uint8Array(Math.min(partial.size, HASH_PART_BYTES));
    for (let offset = 0; offset < partial.size; offset += buffer.length) {
      signal?.throwIfAborted();
      const part = buffer.subarray(0, Math.min(buffer.length, partial.size - offset));
      await partial.read(offset, part.length, part);
      this.#hash!.update(part);
    }
  }

  #dropFile(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #report(): void {
    const done = this.#partial?.size ?? this.size;
    this.#options.onProgress?.({
      stage: 'download',
      done,
      total: this.size,
      unit: 'bytes',
      item: itemOf(this.#target.url),
    });
  }
}

/** The bytes do not match the size or hash that the server reported. */
class SpoiledError extends SourceError {}

/** The file's name in a URL, for progress. */
export function itemOf(url: URL): string {
  const last = url.pathname.split('/').findLast((part) => part !== '') ?? url.host;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

export function reportNotKept({ code, message, data }: NotKeptError, { onNotice }: DownloadOptions): void {
  const { file: _, ...facts } = data;
  onNotice?.({
    code: 'NOT_KEPT',
    message: `${message}; it is used without being kept`,
    data: { reason: code, ...facts },
  });
}
