/** Sends one HTTP request. Redirects to other hosts get no custom headers. Failures are typed errors. */
import { SourceError } from '../../core/errors.ts';
import { unreachable } from './retrying.ts';

export interface HttpOptions {
  /** Headers of every request to the URL's own host, such as Authorization. Redirects to other hosts get none. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

interface RequestOptions extends HttpOptions {
  readonly method?: 'GET' | 'HEAD';
  /** Value of the Range header. */
  readonly range?: string;
  /** Default 'default'. 'no-store' for files that Espalier stores, so that the browser does not store them a second time. */
  readonly cache?: RequestCache;
  /** Returns the first redirect for which this is true instead of following it. */
  readonly stopAt?: (redirect: Response) => boolean;
}

const MAX_REDIRECTS = 10;

/** @throws {SourceError} if the server does not respond; the signal's reason */
export async function request(url: URL, options: RequestOptions = {}): Promise<Response> {
  const { method = 'GET', headers, range, signal, cache, stopAt } = options;
  const name = nameOf(url);
  let target = url;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const own = target.origin === url.origin ? checkedHeaders(headers) : undefined;
    // a compressed answer would have another length; with Range, fetch asks for identity by itself
    const sent = range ? { ...own, Range: range } : { ...own, 'Accept-Encoding': 'identity' };
    const init = { method, headers: sent, signal, cache };
    let response = await send(target, { ...init, redirect: 'manual' }, name);
    // pages cannot see redirects; the browser follows them
    if (response.type === 'opaqueredirect') response = await send(target, { ...init, redirect: 'follow' }, name);
    const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    if (location === null || stopAt?.(response)) return response;
    response.body?.cancel().catch(() => {});
    target = new URL(location, target);
  }
  throw new SourceError(name, `the server redirects more than ${MAX_REDIRECTS} times`);
}

/** Formats a URL for messages, without query and credentials, which may be secret. */
export function nameOf(url: URL): string {
  // blob: and data: URLs have an opaque origin
  if (url.protocol === 'data:') return `${url.href.slice(0, 40)}…`;
  return url.host ? `${url.protocol}//${url.host}${url.pathname}` : url.protocol + url.pathname;
}

async function send(url: URL, init: RequestInit, name: string): Promise<Response> {
  const { username, password } = url;
  if (username || password) return send(...withBasicAuthorization(url, init), name);
  return fetch(url, init).catch((cause: Error) => {
    init.signal?.throwIfAborted();
    throw unreachable(name, cause);
  });
}

/** Moves user:password of a URL to a header, because `fetch` refuses such URLs. */
function withBasicAuthorization(url: URL, init: RequestInit): [URL, RequestInit] {
  const plain = new URL(url);
  plain.username = plain.password = '';
  const secret = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const basic = btoa(String.fromCharCode(...new TextEncoder().encode(secret)));
  return [
    plain,
    { ...init, headers: { Authorization: `Basic ${basic}`, ...(init.headers as Record<string, string>) } },
  ];
}

/** @throws {SourceError} naming a header that HTTP cannot carry; its value may be secret */
function checkedHeaders(headers: HttpOptions['headers']): HttpOptions['headers'] {
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) continue;
    throw new SourceError(`header ${name}`, 'has a character that HTTP headers cannot hold', { header: name });
  }
  return headers;
}
