/** Lists all files of a revision with one request to the hub's API. */
import { SourceError } from '../../core/errors.ts';
import { type HttpOptions, isAuthorized } from '../sources/httpFile.ts';
import { refusal } from '../sources/refusal.ts';
import { nameOf, request } from '../sources/request.ts';
import { retrying, TransientError } from '../sources/retrying.ts';
import type { HubName } from './hub.ts';
import { isCommit, type RemoteFile } from './remoteFile.ts';

export interface Listing {
  readonly commit: string;
  /** Paths of all files. */
  readonly files: readonly string[];
  /** @throws {SourceError} with status 404 if the revision has no such file */
  describe(file: string, name: string): RemoteFile;
}

interface Sibling {
  readonly rfilename?: unknown;
  readonly size?: unknown;
  readonly blobId?: unknown;
  readonly lfs?: { readonly sha256?: unknown; readonly size?: unknown } | null;
}

/**
 * @returns undefined if the server does not have this API, e.g. a mirror
 * @throws {SourceError} if it cannot be reached or refuses
 */
export async function askListing(
  endpoint: URL,
  { owner, repo, revision }: Omit<HubName, 'inside'>,
  options: HttpOptions,
): Promise<Listing | undefined> {
  const url = new URL(endpoint);
  const path = ['api', 'models', owner, repo, 'revision', revision].map(encodeURIComponent);
  url.pathname = [url.pathname.replace(/\/$/, ''), ...path].join('/');
  url.search = '?blobs=true';
  const { headers, signal, retry } = options;
  return retrying(
    async () => {
      const response = await request(url, { headers, signal, cache: 'no-store' });
      const text = await response.text();
      if (response.ok) return parse(text);
      const error = refusal(nameOf(url), response, { authorized: isAuthorized(headers) });
      if (error instanceof TransientError || error.data.serverCode !== undefined) throw error;
      return undefined;
    },
    { ...retry, signal },
  );
}

function parse(text: string): Listing | undefined {
  let found: { readonly sha?: unknown; readonly siblings?: unknown };
  try {
    found = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { sha, siblings } = found ?? {};
  if (typeof sha !== 'string' || !isCommit(sha) || !Array.isArray(siblings)) return undefined;
  const files = new Map((siblings as Sibling[]).map((file) => [file?.rfilename, file]));
  return {
    commit: sha,
    files: [...files.keys()].filter((name) => typeof name === 'string'),
    describe(file, name) {
      const found = files.get(file);
      if (!found)
        throw new SourceError(name, 'no such file', { status: 404, serverCode: 'EntryNotFound', commit: sha });
      const size = found.lfs?.size ?? found.size;
      const hash = found.lfs?.sha256;
      const etag = typeof hash === 'string' ? hash : found.blobId;
      return {
        commit: sha,
        size: typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : undefined,
        sha256: typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash) ? hash : undefined,
        etag: typeof etag === 'string' ? etag : undefined,
      };
    },
  };
}
