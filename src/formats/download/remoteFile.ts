/** Metadata of a remote file, requested before it is downloaded. */
import {
  type HttpOptions,
  isAuthorized,
  refuseHtml,
  type Validators,
  validatorsOf,
  waitNotice,
} from '../sources/httpFile.ts';
import { refusal } from '../sources/refusal.ts';
import { nameOf, request } from '../sources/request.ts';
import { retrying } from '../sources/retrying.ts';

export interface RemoteFile extends Omit<Validators, 'size'> {
  /** Absent if the server does not report it. */
  readonly size?: number;
  /** SHA-256 of the bytes in hexadecimal, if a hub reports it. */
  readonly sha256?: string;
  /** Commit of the repository, if a hub reports it. */
  readonly commit?: string;
}

/**
 * Requests a file's size, version and hash. A hub sends them in the headers of its redirect to the bytes.
 * @throws {SourceError} with `data.status` 404 if the file does not exist
 */
export async function describeRemote(url: URL, options: HttpOptions): Promise<RemoteFile> {
  const name = nameOf(url);
  const ask = () => describe(url, name, options);
  const { retry, signal, onNotice } = options;
  return retrying(ask, { ...retry, signal, onWait: waitNotice(name, onNotice) });
}

async function describe(url: URL, name: string, options: HttpOptions): Promise<RemoteFile> {
  const { headers, signal } = options;
  const init = { headers, signal, cache: 'no-store', stopAt: isLinked } as const;
  const head = await request(url, { ...init, method: 'HEAD' });
  // browsers show a request as cancelled unless its body is read
  await head.arrayBuffer().catch(() => {});
  const known = head.ok || isLinked(head) ? described(name, head) : undefined;
  // any other error may only mean that the server does not support HEAD
  if (known?.size !== undefined || head.status === 404) return known ?? refuse(head);
  const found = await request(url, { ...init, range: 'bytes=0-' });
  found.body?.cancel().catch(() => {});
  const empty = found.status === 416 && /^bytes \*\/0$/.test(found.headers.get('content-range') ?? '');
  if (!found.ok && !isLinked(found) && !empty) refuse(found);
  return { ...known, ...described(name, found) };

  function refuse(response: Response): never {
    throw refusal(name, response, { authorized: isAuthorized(headers) });
  }
}

function isLinked({ headers }: Response): boolean {
  return headers.has('x-linked-etag');
}

function described(name: string, response: Response): RemoteFile {
  const { headers } = response;
  if (!isLinked(response)) refuseHtml(name, response);
  const total = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1];
  const compressed = (headers.get('content-encoding') || 'identity') !== 'identity';
  const length =
    compressed || (response.status >= 300 && response.status !== 416) ? null : headers.get('content-length');
  const reported = headers.get('x-linked-size') ?? total ?? length;
  const size = reported === null || !/^\d+$/.test(reported) ? undefined : Number(reported);
  const { modified } = validatorsOf(headers, 0);
  const linked = headers.get('x-linked-etag');
  const etag = linked ?? (headers.get('etag') || undefined);
  // ETags of other servers are not hashes of the bytes
  const hash = bareEtag(linked ?? undefined);
  return {
    size,
    etag,
    modified,
    sha256: hash && /^[0-9a-f]{64}$/.test(hash) ? hash : undefined,
    commit: commitOf(headers),
  };
}

export function commitOf(headers: Headers): string | undefined {
  const commit = headers.get('x-repo-commit') ?? '';
  return isCommit(commit) ? commit : undefined;
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** W/"abc" → abc */
export function bareEtag(etag: string | undefined): string | undefined {
  return etag?.replace(/^W\//, '').replaceAll('"', '');
}
