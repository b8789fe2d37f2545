/** Repositories of a Hugging Face hub: `hf:owner/repo[@revision][/folder][/file]`. */
import { environment } from '#leaf/formats/download/environment';
import { cacheStore } from '#leaf/formats/download/store';
import { OptionError, SourceError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import type { Folder } from '../folder.ts';
import type { RetryPolicy } from '../sources/retrying.ts';
import { cachedFile } from './download.ts';

export interface CacheOptions {
  /** Where downloads are kept: a path in Node (default ESPALIER_CACHE, then `espalier` in the user's cache folder), a name in pages. */
  readonly folder?: string;
  /** The hub's URL; default HF_ENDPOINT, then https://huggingface.co. */
  readonly endpoint?: string;
  /** For repositories that need one; default HF_TOKEN. Sent to the hub only. */
  readonly token?: string;
  readonly retry?: RetryPolicy;
}

export interface HubOptions {
  readonly cache?: CacheOptions;
  readonly onProgress?: OnProgress;
}

/** What an `hf:` name means: a folder of the repository and, where it ends like a model file, the file in it. */
export function locateOnHub(name: string, options: HubOptions = {}): { folder: Folder; file?: string } {
  const parts = /^hf:([\w.-]+)\/([\w.-]+)(?:@([^/]+))?((?:\/[^/]+)*)\/?$/.exec(name);
  if (!parts) throw new OptionError('source', name, 'hf:owner/repo[@revision][/file]');
  const [, owner, repo, encodedRevision = 'main', rest] = parts;
  const revision = decodeURIComponent(encodedRevision);
  const inside = rest.split('/').slice(1);
  if ([owner, repo, ...revision.split('/'), ...inside].some((part) => /^\.+$|[\\\0]/.test(part))) {
    throw new OptionError('source', name, 'names without . and ..');
  }
  const file = /\.(gguf|safetensors)$/i.test(inside.at(-1) ?? '') ? inside.pop() : undefined;
  return { folder: hubFolder([owner, repo, revision], inside, options), file };
}

function hubFolder(
  [owner, repo, revision]: string[],
  inside: readonly string[],
  { cache = {}, onProgress }: HubOptions,
): Folder {
  const endpoint = new URL(cache.endpoint ?? environment('HF_ENDPOINT') ?? 'https://huggingface.co');
  const token = cache.token ?? environment('HF_TOKEN');
  const headers = token ? { Authorization: `Bearer ${token}` } : undefined;
  const store = cacheStore(cache.folder);
  return {
    name: `hf:${[`${owner}/${repo}@${revision}`, ...inside].join('/')}`,
    async open(file, signal) {
      const path = [endpoint.host, owner, repo, revision, ...inside, file].map(safeName);
      if (await store.isAbsent(path)) return undefined;
      const url = new URL(endpoint);
      const address = [owner, repo, 'resolve', revision, ...inside, file].map(encodeURIComponent);
      url.pathname = [url.pathname.replace(/\/$/, ''), ...address].join('/');
      try {
        return await cachedFile(store, path, url, { headers, signal, onProgress, retry: cache.retry });
      } catch (error) {
        if (!(error instanceof SourceError && error.data.status === 404)) throw error;
        if (OPTIONAL.test(file)) await store.markAbsent(path);
        return undefined;
      }
    },
  };
}

/** Files that a model folder can do without; that there are none is remembered, so that later loads stay offline. */
const OPTIONAL = /^(?!config\.json$).*\.(json|jinja)$/;

/** A name that every file system takes. */
function safeName(name: string): string {
  return name.replace(/[^\w.@+-]/g, '_');
}
