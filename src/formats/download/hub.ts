/**
 * Repositories of a Hugging Face hub: `hf:owner/repo[@revision][/folder][/file]`. All files of a folder come from one
 * commit. In Node they are stored in Hugging Face's own cache.
 */
import { environment, IS_BROWSER } from '#leaf/formats/download/environment';
import { OptionError, SourceError } from '../../core/errors.ts';
import type { RetryPolicy } from '../sources/retrying.ts';
import type { DownloadOptions } from './download.ts';

export interface CacheOptions {
  /**
   * Where downloads are stored. In Node a path; default: ESPALIER_CACHE, then `espalier` in the user's cache folder, and
   * for `hf:` Hugging Face's own cache (HF_HUB_CACHE, HF_HOME), which Python's tools share. In browsers the name of a
   * folder in the private file system.
   */
  readonly folder?: string;
  /** The hub's URL; default HF_ENDPOINT, then https://huggingface.co. */
  readonly endpoint?: string;
  /** Access token; default HF_TOKEN, then that of `hf auth login`. Sent to the hub only. */
  readonly token?: string;
  /** False: stored files are used, but nothing is stored. Default true. */
  readonly keep?: boolean;
  readonly retry?: RetryPolicy;
}

export interface HubOptions extends Pick<DownloadOptions, 'onProgress' | 'onNotice'> {
  readonly cache?: CacheOptions;
  /** True where only headers are read: large files are then not stored. */
  readonly headerOnly?: boolean;
}

/** A file of a repository, by names that anybody may have typed. */
export interface HubName {
  readonly owner: string;
  readonly repo: string;
  readonly revision: string;
  /** Folders and file inside the repository. */
  readonly inside: readonly string[];
}

/** @throws {OptionError} */
export function parseHubName(name: string): HubName {
  const parts = /^hf:(?:\/\/)?([\w.-]+)\/([\w.-]+)(?:@([^/]+))?((?:\/[^/]+)*)\/?$/.exec(name);
  if (!parts) throw new OptionError('source', name, 'hf:owner/repo[@revision][/file]');
  const [, owner = '', repo = '', encoded = 'main', rest = ''] = parts;
  const revision = decoded(encoded);
  const inside = rest.split('/').slice(1);
  const all = [owner, repo, ...revision.split('/'), ...inside];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no file has them in its name
  if (all.some((part) => part === '' || /^\.+$|[\\\x00-\x1f]/.test(part)))
    throw new OptionError('source', name, 'names without . and ..');
  return { owner, repo, revision, inside };
}

/** A web address of the hub, such as https://huggingface.co/owner/repo/blob/main/x.gguf, as an `hf:` name. */
export function hubNameOf(url: URL): string | undefined {
  if (!/^(www\.)?(huggingface\.co|hf\.co)$/.test(url.host)) return undefined;
  const parts = url.pathname
    .split('/')
    .filter((part) => part !== '')
    .map(decoded);
  const [owner, repo, view, revision, ...inside] = parts;
  if (!owner || !repo || ['datasets', 'spaces', 'models', 'api', 'docs', 'blog', 'papers'].includes(owner))
    return undefined;
  if (view === undefined) return `hf:${owner}/${repo}`;
  if (!['blob', 'resolve', 'tree', 'raw'].includes(view) || !revision) return undefined;
  return [`hf:${owner}/${repo}@${encodeURIComponent(revision)}`, ...inside].join('/');
}

/** Files that may be too large to be read whole. */
export function isWeights(file: string): boolean {
  return /\.(gguf|safetensors)$/i.test(file);
}

/** Hugging Face's cache inside a cache folder of one's own; undefined: where its tools have it. */
export function hubFolder(folder = environment('ESPALIER_CACHE')): string | undefined {
  return folder === undefined || IS_BROWSER ? folder : `${folder}/hub`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new SourceError(text, 'has a % that is not followed by two hexadecimal digits');
  }
}
