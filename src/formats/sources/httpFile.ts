/**
 * One file on an HTTP server, read as few long streams: a request asks for everything from a byte on and stays open
 * while reads go forward, so a model read in file order takes one request. Broken connections are taken up again at
 * the byte reached. A server without byte ranges works too, if slowly: going back means beginning anew.
 */
import { grouped, SourceError } from '../../core/errors.ts';
import { type RetryPolicy, reasonOf, refusal, retrying, TransientError } from './retrying.ts';

export interface HttpOptions {
  /** Sent with every request, such as Authorization. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly retry?: RetryPolicy;
}

/** Bytes that are read on over sooner than another request is sent. */
const SKIPPED_BYTES = 1 << 20;

/** What a server says that tells whether its file is still the same. */
interface Identity {
  readonly size: number;
  readonly etag?: string;
  readonly modified?: string;
}

export class HttpFile {
  /** As errors name it: without the query, which may hold a secret. */
  readonly name: string;
  private identity?: Identity;
  private controller = new AbortController();
  private body?: ReadableStreamDefaultReader<Uint8Array>;
  /** The next byte that `body` gives. */
  private bodyAt = 0;
  private hasRanges = false;
  private closed = false;

  private constructor(
    private readonly url: URL,
    private readonly options: HttpOptions,
  ) {
    this.name = url.origin + url.pathname;
  }

  /**
   * Sends the first request. @param from the byte at which reading will begin
   * @throws {SourceError} its `data.status` is the HTTP status where the server answered
   */
  static async open(url: string | URL, options: HttpOptions = {}, from = 0): Promise<HttpFile> {
    const file = new HttpFile(new URL(url), options);
    await file.retrying(options.signal, () => file.request(from));
    return file;
  }

  get size(): number {
    return this.identity!.size;
  }

  /** The next bytes from `offset` on: at least one, as many as have come. @throws {SourceError} */
  next(offset: number, signal?: AbortSignal): Promise<Uint8Array> {
    return this.retrying(signal, async () => {
      const isFar = this.hasRanges && offset - this.bodyAt > SKIPPED_BYTES;
      if (!this.body || this.bodyAt > offset || isFar) await this.request(offset);
      for (;;) {
        const chunk = await this.chunk();
        const before = offset - (this.bodyAt - chunk.length);
        if (before < chunk.length) return chunk.subarray(before);
      }
    });
  }

  close(): void {
    this.closed = true;
    this.drop();
  }

  /** The next chunk of the open body. */
  private async chunk(): Promise<Uint8Array> {
    const { value } = await this.body!.read().catch((cause: Error) => {
      throw this.broken(cause);
    });
    if (!value) throw this.broken();
    this.bodyAt += value.length;
    return value;
  }

  /** Opens a body that begins at `from`, or at 0 where the server has no ranges. */
  private async request(from: number): Promise<void> {
    this.drop();
    if (this.closed) throw new SourceError(this.name, 'was closed');
    const headers = { ...this.options.headers, Range: `bytes=${from}-` };
    const response = await fetch(this.url, { headers, signal: this.controller.signal }).catch((cause: Error) => {
      throw new TransientError(this.name, `cannot be reached: ${reasonOf(cause)}`, {}, { cause });
    });
    try {
      this.hasRanges = response.status === 206;
      this.bodyAt = this.hasRanges ? from : 0;
      this.identify(response, from);
      this.body = (response.body ?? new Response('').body!).getReader();
    } catch (error) {
      response.body?.cancel().catch(() => {});
      throw error;
    }
  }

  /** Checks a response and that it speaks of the same file as those before. */
  private identify(response: Response, from: number): void {
    const { status, headers } = response;
    const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(headers.get('content-range') ?? '');
    const empty = status === 416 && from === 0 && range?.[2] === '0';
    if (status !== 200 && status !== 206 && !empty) throw refusal(this.name, status, from);
    if (headers.get('content-type')?.startsWith('text/html')) {
      throw new SourceError(this.name, 'the server sent an HTML page instead of a file', {
        status,
        found: 'text/html',
      });
    }
    const encoding = headers.get('content-encoding') ?? 'identity';
    if (encoding !== 'identity') {
      const problem = `the server sent it compressed (${encoding}), which has no byte ranges`;
      throw new SourceError(this.name, problem, { status, found: encoding });
    }
    if (range?.[1] && Number(range[1]) !== from) {
      const problem = `the server sent bytes from ${grouped(Number(range[1]))} on instead of ${grouped(from)}`;
      throw new SourceError(this.name, problem, { status, expected: from, found: Number(range[1]) });
    }
    // pages see no Content-Range of other origins, but the length up to the end
    const length = headers.get('content-length');
    const size = range ? Number(range[2]) : this.bodyAt + (length === null ? Number.NaN : Number(length));
    if (!Number.isSafeInteger(size)) throw new SourceError(this.name, 'the server does not tell its size', { status });
    const found = {
      size,
      etag: headers.get('etag') ?? undefined,
      modified: headers.get('last-modified') ?? undefined,
    };
    const expected = (this.identity ??= found);
    const same = expected.etag || found.etag ? expected.etag === found.etag : expected.modified === found.modified;
    if (!same || expected.size !== size) {
      throw new SourceError(this.name, 'changed on the server while it was read', { expected, found });
    }
  }

  private broken(cause?: Error): TransientError {
    const problem = `the connection broke at byte ${grouped(this.bodyAt)} of ${grouped(this.size)}`;
    const data = { offset: this.bodyAt, expected: this.size };
    return new TransientError(this.name, cause ? `${problem}: ${reasonOf(cause)}` : problem, data, { cause });
  }

  /** Runs one step, which `signal` ends, with a fresh request after a failure that may pass. */
  private async retrying<T>(signal: AbortSignal | undefined, step: () => Promise<T>): Promise<T> {
    const abort = () => this.drop();
    signal?.addEventListener('abort', abort);
    const attempt = () =>
      step().catch((error) => {
        this.drop();
        throw error;
      });
    try {
      return await retrying(attempt, { ...this.options.retry, signal });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Ends the request at hand, if any. */
  private drop(): void {
    this.controller.abort();
    this.controller = new AbortController();
    this.body = undefined;
  }
}
