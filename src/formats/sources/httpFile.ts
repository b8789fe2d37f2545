/**
 * Reads a file on an HTTP server with few long requests. A request covers the rest of the file and stays open during
 * sequential reads, so a model read in file order takes one request. A broken connection is resumed at the next byte.
 * Servers without byte ranges work too, but slowly: reading backwards restarts at the first byte.
 */

import { grouped, SourceError } from '../../core/errors.ts';
import type { Notice } from '../../core/progress.ts';
import { refusal } from './refusal.ts';
import { nameOf, type HttpOptions as RequestOptions, request } from './request.ts';
import { type RetryPolicy, reasonOf, retrying, TransientError } from './retrying.ts';

export interface HttpOptions extends RequestOptions {
  readonly retry?: RetryPolicy;
  readonly onNotice?: (notice: Notice) => void;
  /** True for files that Espalier stores, so that the browser's HTTP cache does not store them a second time. */
  readonly noStore?: boolean;
  /** Size of the first request in bytes, for reading only a file's header. Default: the whole file. Later requests grow. */
  readonly window?: number;
}

/** The server reports no length, or compresses the file, so that it can only be read as a whole. */
export class NoLengthError extends SourceError {}

/** Maximum gap, in bytes, that is read and discarded, which is faster than another request. */
const SKIPPED_BYTES = 1 << 20;

/** Version of a file, from the server's headers. */
export interface Validators {
  readonly size: number;
  readonly etag?: string;
  readonly modified?: string;
}

/** True if both describe the same version: equal size, and equal ETag or, without one, equal Last-Modified. */
export function sameVersion(a: Validators, b: Validators): boolean {
  if (a.size !== b.size) return false;
  return a.etag || b.etag ? a.etag === b.etag : a.modified === b.modified;
}

export class HttpFile {
  /** URL for error messages. */
  readonly name: string;
  readonly #url: URL;
  readonly #options: HttpOptions;
  #validators?: Validators;
  #controller = new AbortController();
  #body?: ReadableStreamDefaultReader<Uint8Array>;
  /** File offset of the next byte that the body returns. */
  #bodyAt = 0;
  /** File offset of the body's end. */
  #bodyEnd = 0;
  #hasRanges = false;
  #window: number;
  #closed = false;

  private constructor(url: URL, options: HttpOptions) {
    this.name = nameOf(url);
    this.#url = url;
    this.#options = options;
    this.#window = options.window ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Sends the first request. @param from offset of the first byte that will be read
   * @throws {NoLengthError}; {SourceError} with `data.status` if the server refuses
   */
  static async open(url: string | URL, options: HttpOptions = {}, from = 0): Promise<HttpFile> {
    const file = new HttpFile(new URL(url), options);
    await file.#retrying(options.signal, () => file.#request(from));
    return file;
  }

  get size(): number {
    return this.#validators!.size;
  }

  get validators(): Validators {
    return this.#validators!;
  }

  /** Returns the received bytes from `offset`, at least one. @throws {SourceError} */
  next(offset: number, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#retrying(signal, async () => {
      for (;;) {
        const isFar = this.#hasRanges && offset - this.#bodyAt > SKIPPED_BYTES;
        const ended = this.#bodyAt >= this.#bodyEnd;
        if (!this.#body || ended || this.#bodyAt > offset || isFar) await this.#request(offset);
        const chunk = await this.#chunk();
        const before = offset - (this.#bodyAt - chunk.length);
        if (before < chunk.length) return chunk.subarray(before);
      }
    });
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  async #chunk(): Promise<Uint8Array> {
    const { value } = await this.#body!.read().catch((cause: Error) => {
      throw this.#broken(cause);
    });
    if (!value) throw this.#broken();
    this.#bodyAt += value.length;
    return value;
  }

  /** Opens a body that starts at `from`, or at 0 if the server does not support ranges. */
  async #request(from: number): Promise<void> {
    this.#drop();
    if (this.#closed) throw new SourceError(this.name, 'was closed');
    const last = Number.isFinite(this.#window) ? String(from + this.#window - 1) : '';
    const { headers, noStore } = this.#options;
    const response = await request(this.#url, {
      headers,
      range: `bytes=${from}-${last}`,
      signal: this.#controller.signal,
      cache: noStore ? 'no-store' : 'default',
    });
    try {
      this.#hasRanges = response.status === 206;
      this.#bodyAt = this.#hasRanges ? from : 0;
      this.#identify(response, from);
      this.#body = (response.body ?? new Response('').body!).getReader();
      // requests grow, so that long headers take few of them
      this.#window *= 4;
    } catch (error) {
      response.body?.cancel().catch(() => {});
      // pages cannot read Content-Range of other origins, so they request everything to learn the size
      if (!(error instanceof NoLengthError && last && this.#hasRanges)) throw error;
      this.#window = Number.POSITIVE_INFINITY;
      await this.#request(from);
    }
  }

  /** Checks a response, and that it describes the same version as earlier ones. */
  #identify(response: Response, from: number): void {
    const { status, headers } = response;
    const range = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
    const empty = status === 416 && from === 0 && range?.[3] === '0';
    if (status !== 200 && status !== 206 && !empty) {
      throw refusal(this.name, response, { from, authorized: isAuthorized(this.#options.headers) });
    }
    refuseHtml(this.name, response);
    const encoding = headers.get('content-encoding') || 'identity';
    if (encoding !== 'identity') {
      const problem = `the server sent it compressed (${encoding}), which has no byte ranges`;
      throw new NoLengthError(this.name, problem, { status, found: encoding });
    }
    if (range?.[1] && Number(range[1]) !== from) {
      const problem = `the server sent bytes from ${grouped(Number(range[1]))} on instead of ${grouped(from)}`;
      throw new SourceError(this.name, problem, { status, expected: from, found: Number(range[1]) });
    }
    const length = headers.get('content-length');
    const unbounded = status === 200 || !Number.isFinite(this.#window);
    const size =
      range && range[3] !== '*' ? Number(range[3]) : length && unbounded ? this.#bodyAt + Number(length) : Number.NaN;
    if (!Number.isSafeInteger(size))
      throw new NoLengthError(this.name, 'the server does not tell its size', { status });
    this.#bodyEnd = range?.[2] ? Number(range[2]) + 1 : size;
    const found = validatorsOf(headers, size);
    const expected = (this.#validators ??= found);
    if (sameVersion(expected, found)) return;
    throw new SourceError(this.name, 'changed on the server while it was read', { expected, found });
  }

  #broken(cause?: Error): TransientError {
    const problem = `the connection broke at byte ${grouped(this.#bodyAt)} of ${grouped(this.size)}`;
    const data = { offset: this.#bodyAt, expected: this.size };
    return new TransientError(this.name, cause ? `${problem}: ${reasonOf(cause)}` : problem, data, { cause });
  }

  /** Runs an abortable step. Retries it with a new request after each temporary failure. */
  async #retrying<T>(signal: AbortSignal | undefined, step: () => Promise<T>): Promise<T> {
    const abort = () => {
      // also where little is left: a server that stalls would never send it
      this.#controller.abort();
      this.#drop();
    };
    signal?.addEventListener('abort', abort);
    const attempt = () =>
      step().catch((error) => {
        this.#drop();
        throw error;
      });
    try {
      const { retry, onNotice } = this.#options;
      return await retrying(attempt, { ...retry, signal, onWait: waitNotice(this.name, onNotice) });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Ends the current request, if any. Reads a short rest to its end, because browsers show cancelled requests as failed. */
  #drop(): void {
    const left = this.#bodyEnd - this.#bodyAt;
    if (this.#body && left <= (Number.isFinite(this.#options.window) ? SKIPPED_BYTES : 0)) void readOut(this.#body);
    else this.#controller.abort();
    this.#controller = new AbortController();
    this.#body = undefined;
  }
}

async function readOut(body: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  try {
    while (!(await body.read()).done);
  } catch {
    // nobody needs these bytes
  }
}

export function validatorsOf(headers: Headers, size: number): Validators {
  return {
    size,
    etag: headers.get('etag') || undefined,
    modified: headers.get('last-modified') || undefined,
  };
}

/** Detects HTML pages that captive portals and web servers send instead of a file. @throws {SourceError} */
export function refuseHtml(name: string, { status, headers }: Response): void {
  if (!headers.get('content-type')?.startsWith('text/html')) return;
  throw new SourceError(name, 'the server sent an HTML page instead of a file', { status, found: 'text/html' });
}

export function isAuthorized(headers: HttpOptions['headers']): boolean {
  return Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'authorization');
}

/** Reports a wait that a server asked for. */
export function waitNotice(name: string, onNotice: HttpOptions['onNotice']) {
  return (milliseconds: number, { data }: SourceError) => {
    const seconds = Math.ceil(milliseconds / 1000);
    const message = `${name}: the server asks to wait ${grouped(seconds)} s`;
    onNotice?.({ code: 'WAITING', message, data: { seconds, status: data.status } });
  };
}
