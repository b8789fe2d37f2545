/** What a hub says of a file before it is downloaded. */
import { SourceError } from '../../core/errors.ts';
import type { HttpOptions } from '../sources/httpFile.ts';
import { reasonOf, refusal, retrying, TransientError } from '../sources/retrying.ts';

export interface RemoteFile {
  readonly size: number;
  /** Another one whenever the bytes are others; letters and digits. */
  readonly version: string;
  /** Of the bytes, in hexadecimal, where the hub tells it. */
  readonly sha256?: string;
}

const MAX_REDIRECTS = 5;

/**
 * Asks for a file's size and hash. A hub says them with the redirect to where the bytes are, not there.
 * @throws {SourceError} its `data.status` is 404 where there is no such file
 */
export async function describeRemote(url: URL, options: HttpOptions): Promise<RemoteFile> {
  const name = url.origin + url.pathname;
  const ask = () => head(url, name, options);
  const { headers, status } = await retrying(ask, { ...options.retry, signal: options.signal });
  if (headers.get('content-type')?.startsWith('text/html') && !headers.has('x-linked-etag')) {
    throw new SourceError(name, 'the server sent an HTML page instead of a file', { status, found: 'text/html' });
  }
  const tag = headers.get('x-linked-etag') ?? headers.get('etag');
  const size = Number(headers.get('x-linked-size') ?? headers.get('content-length') ?? Number.NaN);
  if (!Number.isSafeInteger(size)) throw new SourceError(name, 'the server does not tell its size', { status });
  const identity = tag?.replace(/^W\//, '').replaceAll('"', '') ?? headers.get('last-modified') ?? '';
  const sha256 = /^[0-9a-f]{64}$/.test(identity) ? identity : undefined;
  return { size, sha256, version: await shortHash(`${identity} ${size}`) };
}

/** The answer that has the headers: the first redirect that tells them, or the file itself. */
async function head(url: URL, name: string, options: HttpOptions): Promise<Response> {
  let target = url;
  for (let hop = 0; hop < MAX_REDIRECTS; hop++) {
    // a token is for the hub alone
    const headers = target.origin === url.origin ? options.headers : undefined;
    const response = await request(target, name, { headers, signal: options.signal, redirect: 'manual' });
    // pages may not look into redirects
    if (response.type === 'opaqueredirect')
      return checked(await request(target, name, { headers, signal: options.signal }));
    const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    if (location === null || response.headers.has('x-linked-etag')) return checked(response, location !== null);
    target = new URL(location, target);
  }
  throw new SourceError(name, `the server redirects more than ${MAX_REDIRECTS} times`);

  function checked(response: Response, redirected = false): Response {
    if (response.ok || redirected) return response;
    throw refusal(name, response.status, 0);
  }
}

async function request(url: URL, name: string, init: RequestInit): Promise<Response> {
  return fetch(url, { ...init, method: 'HEAD' }).catch((cause: Error) => {
    throw new TransientError(name, `cannot be reached: ${reasonOf(cause)}`, {}, { cause });
  });
}

async function shortHash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest, 0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
