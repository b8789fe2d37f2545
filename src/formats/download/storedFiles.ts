/** Implementation of the `cache` API in cache.ts. */
import { environment, IS_BROWSER } from '#leaf/formats/download/environment';
import { hubCache } from '#leaf/formats/download/hubCache';
import { cacheStore } from '#leaf/formats/download/store';
import { EspalierError } from '../../core/errors.ts';
import type { Notice, OnProgress } from '../../core/progress.ts';
import { openCheckpoint } from '../open.ts';
import { type CacheOptions, hubFolder, parseHubName } from './hub.ts';
import type { HubFile } from './hubCache.ts';
import { listUrls, removeUrl } from './urlCache.ts';

export interface CachedFile {
  /** URL or hf:owner/repo@commit/file, as `load` and `cache.delete` take it. */
  readonly source: string;
  /** Bytes stored. */
  readonly bytes: number;
  /** Size of the whole file in bytes, if known. */
  readonly total?: number;
  /** False for a download that was interrupted; the next load continues it. */
  readonly complete: boolean;
}

export interface CacheUsage {
  /** Bytes of all stored files. */
  readonly bytes: number;
  /** Bytes still available; undefined if the system does not report them. */
  readonly available?: number;
  /** True if the browser does not evict stored files. Always true in Node. */
  readonly persisted: boolean;
}

export interface CacheLocation {
  /** See `CacheOptions.folder`. */
  readonly folder?: string;
}

export interface AddOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  /** Headers of requests, see `load`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cache?: CacheOptions;
}

/**
 * Downloads all files of a model without loading it, so that a later `load` works offline.
 * @throws {EspalierError} 'CACHE_FULL' with `data.needed` and `data.available` in bytes, or 'NOT_KEPT', where they cannot be
 *   stored; the errors of `load` for an invalid source; the signal's reason
 */
export async function add(source: string | URL, options: AddOptions = {}): Promise<void> {
  let refused: Notice | undefined;
  const onProgress: OnProgress = (progress) => {
    if (progress.notice?.code === 'NOT_KEPT') refused ??= progress.notice;
    else options.onProgress?.(progress);
  };
  const checkpoint = await openCheckpoint(source, { ...options, onProgress });
  try {
    if (!refused) await checkpoint.finish?.(options.signal);
  } finally {
    await checkpoint.close();
  }
  if (refused) {
    const code = refused.data.reason === 'CACHE_FULL' ? 'CACHE_FULL' : 'NOT_KEPT';
    throw new EspalierError(code, refused.message.replace(/; it is used without being kept$/, ''), refused.data);
  }
}

/** Lists stored files. In Node this includes files of Hugging Face's cache that Python tools stored. */
export async function list({ folder }: CacheLocation = {}): Promise<readonly CachedFile[]> {
  const urls = await listUrls(cacheStore(folder));
  const files = await hubCache(hubFolder(folder)).list();
  return [
    ...urls.map(({ url, source, size, complete, stored }) => ({
      source: source ?? url,
      bytes: stored,
      total: size,
      complete,
    })),
    ...files.map((file) => ({ source: sourceOf(file), bytes: file.bytes, complete: file.complete })),
  ];
}

/**
 * Deletes stored files: of a URL, of `hf:owner/repo/file`, or all of `hf:owner/repo`. A name without a revision means every
 * revision. @returns bytes freed; 0 if nothing was stored @throws {OptionError} for a malformed `hf:` name
 */
export async function remove(source: string | URL, { folder }: CacheLocation = {}): Promise<number> {
  const name = String(source);
  const store = cacheStore(folder);
  let freed = 0;
  for (const { url, source: alias } of await listUrls(store)) {
    const isNamed = url === name || url === asUrl(name) || (alias !== undefined && isWithin(alias, name));
    if (isNamed) freed += await removeUrl(store, url);
  }
  if (!name.startsWith('hf:')) return freed;
  const cache = hubCache(hubFolder(folder));
  const { owner, repo, revision, inside } = parseHubName(name);
  const commit = name.includes('@') ? ((await cache.commitOf(owner, repo, revision)) ?? revision) : undefined;
  const path = inside.join('/');
  for (const file of await cache.list()) {
    const isIn = path === '' || file.file === path || file.file.startsWith(`${path}/`);
    if (file.owner === owner && file.repo === repo && isIn && (commit ?? file.commit) === file.commit)
      freed += await cache.remove(file);
  }
  return freed;
}

/**
 * Deletes everything that Espalier stored. Hugging Face's own cache is left alone, since other tools use it: delete its
 * files by name. @returns bytes freed
 */
export async function clear({ folder }: CacheLocation = {}): Promise<number> {
  const store = cacheStore(folder);
  let freed = 0;
  for (const name of ['files', 'tokens', 'device']) freed += await store.remove([name]);
  if (IS_BROWSER || (folder ?? environment('ESPALIER_CACHE')) !== undefined) freed += await store.remove(['hub']);
  return freed;
}

export async function usage({ folder }: CacheLocation = {}): Promise<CacheUsage> {
  const files = await list({ folder });
  const persisted = IS_BROWSER ? ((await navigator.storage?.persisted?.()) ?? false) : true;
  const available = await cacheStore(folder).available();
  return { bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), available, persisted };
}

/** Asks the browser not to evict stored files; it may ask the user. @returns true if it agreed; always true in Node */
export async function persist(): Promise<boolean> {
  return IS_BROWSER ? ((await navigator.storage?.persist?.()) ?? false) : true;
}

/** True if an `hf:` name is the file, or contains it. @param name without a revision, it matches every revision */
function isWithin(alias: string, name: string): boolean {
  if (!name.startsWith('hf:')) return false;
  const file = parseHubName(alias);
  const { owner, repo, revision, inside } = parseHubName(name);
  const isRevision = !name.includes('@') || revision === file.revision;
  return isRevision && owner === file.owner && repo === file.repo && inside.every((part, i) => part === file.inside[i]);
}

function sourceOf({ owner, repo, commit, file }: HubFile): string {
  return `hf:${owner}/${repo}@${commit}/${file}`;
}

function asUrl(name: string): string | undefined {
  return URL.canParse(name) ? new URL(name).href : undefined;
}
