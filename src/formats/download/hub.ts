/**
 * Opens repositories of a Hugging Face hub: `hf:owner/repo[@revision][/folder][/file]`. All files of a folder come from the
 * same commit. In Node they are stored in Hugging Face's own cache.
 */
import { environment, IS_BROWSER } from '#leaf/formats/download/environment';
import { OptionError, SourceError } from '../../core/errors.ts';
import type { RetryPolicy } from '../sources/retrying.ts';
import type { DownloadOptions } from './download.ts';

export interface CacheOptions {
  /**
   * Folder for downloads. In Node: a path; default: ESPALIER_CACHE, then `espalier` in the user's cache folder, and for
   * `hf:` sources Hugging Face's own cache (HF_HUB_CACHE, HF_HOME), shared with the Python tools. In browsers: name of a
   * folder in the private file system.
   */
  readonly folder?: string;
  /** The hub's URL; default HF_ENDPOINT, then https://huggingface.co. */
  readonly endpoint?: string;
  /** Access token. Default: HF_TOKEN, then the token of `hf auth login`. Only sent to the hub. */
  readonly token?: string;
  /** False to use stored files but store nothing. Default true. */
  readonly keep?: boolean;
  readonly retry?: RetryPolicy;
}

export interface HubOptions extends Pick<DownloadOptions, 'onProgress' | 'onNotice'> {
  readonly cache?: CacheOptions;
  /** True if only headers are read; large files are then not stored. */
  readonly headerOnly?: boolean;
}

/** A parsed `hf:` name. Untrusted. */
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

/** Converts a web address of the hub, e.g. https://huggingface.co/owner/repo/blob/main/x.gguf, to an `hf:` name. */
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

/** Folder of the hub cache inside a custom cache folder; undefined: the default folder of Hugging Face's tools. */
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
