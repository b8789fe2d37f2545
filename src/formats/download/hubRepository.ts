/** A folder of a hub's repository at one commit. */
import { IS_BROWSER } from '#leaf/formats/download/environment';
import { hubCache } from '#leaf/formats/download/hubCache';
import { SourceError } from '../../core/errors.ts';
import type { ByteSource } from '../byteSource.ts';
import type { NamedFolder } from '../sources/files.ts';
import { httpSource } from '../sources/http.ts';
import { nameOf } from '../sources/request.ts';
import { type HubName, type HubOptions, hubFolder, isWeights } from './hub.ts';
import type { HubCache, HubFile } from './hubCache.ts';
import { hubEndpoint, hubTimeout, hubToken, isHubOffline } from './hubEnvironment.ts';
import { askListing, type Listing } from './hubListing.ts';
import { openThrough, reportKept } from './keep.ts';
import { bareEtag, describeRemote, isCommit, type RemoteFile } from './remoteFile.ts';
import { cachedUrl, isAway, reportOffline, type UrlOptions } from './urlCache.ts';
import { withTimeout } from './withTimeout.ts';

/** Size of the first request in bytes, if only a header is read. */
const HEADER_WINDOW = 1 << 20;

export class HubRepository implements NamedFolder {
  readonly name: string;
  readonly #names: Omit<HubName, 'inside'>;
  readonly #inside: readonly string[];
  readonly #options: HubOptions;
  readonly #endpoint: URL;
  readonly #headers: Readonly<Record<string, string>> | undefined;
  readonly #cache: HubCache;
  /** Commit of all files, known after the first request. Some hubs report none; their files may change independently. */
  #commit: string | undefined;
  /** Files of the commit from the hub's API. For pages, which cannot read the headers with this information. */
  #listing: Listing | undefined;
  /** True if the hub could not be reached, so that stored files are used. */
  #isAway = isHubOffline();
  /** Versions of opened files of a hub without commits. */
  readonly #seen = new Map<string, RemoteFile>();
  /** Opening of the first file, which determines the commit. The others wait for it. */
  #first: Promise<unknown> | undefined;

  constructor(names: Omit<HubName, 'inside'>, inside: readonly string[], options: HubOptions) {
    const { cache = {} } = options;
    this.#names = names;
    this.#inside = inside;
    this.#options = options;
    this.#endpoint = hubEndpoint(cache.endpoint);
    const token = hubToken(cache.token);
    this.#headers = token ? { Authorization: `Bearer ${token}` } : undefined;
    this.#cache = hubCache(hubFolder(cache.folder));
    if (isCommit(names.revision)) this.#commit = names.revision;
    this.name = `hf:${[`${names.owner}/${names.repo}@${names.revision}`, ...inside].join('/')}`;
  }

  async open(name: string, signal?: AbortSignal): Promise<ByteSource | undefined> {
    const file = [...this.#inside, name].join('/');
    const before = this.#first;
    const opening = (before ?? Promise.resolve()).catch(() => {}).then(() => this.#open(file, signal));
    if (this.#commit === undefined) this.#first = opening.catch(() => {});
    return opening;
  }

  /** Asks the hub's API. Empty if it is not available. */
  async names(signal?: AbortSignal): Promise<readonly string[]> {
    const { owner, repo, revision } = this.#names;
    const names = { owner, repo, revision: this.#commit ?? revision };
    const options = { headers: this.#headers, retry: { tries: 1 }, signal };
    this.#listing ??= await askListing(this.#endpoint, names, options).catch(() => undefined);
    signal?.throwIfAborted();
    const prefix = this.#inside.map((part) => `${part}/`).join('');
    const inside = (this.#listing?.files ?? []).filter((file) => file.startsWith(prefix));
    return inside.map((file) => file.slice(prefix.length)).filter((file) => !file.includes('/'));
  }

  async #open(file: string, signal?: AbortSignal): Promise<ByteSource | undefined> {
    if (this.#commit !== undefined) return this.#openPinned(file, this.#commit, signal);
    const { owner, repo, revision } = this.#names;
    const last = await this.#cache.commitOf(owner, repo, revision);
    if (this.#isAway) {
      this.#commit = last;
      return this.#openOffline(file, last);
    }
    const stored = last === undefined ? undefined : await this.#openStored(file, last);
    try {
      const remote = await this.#ask(file, revision, signal, stored !== undefined);
      await this.#settle(remote.commit);
      if (stored && remote.commit === last) return this.#report(stored, file);
      await stored?.close();
      return this.#download(file, remote, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const { status, commit } = (error as SourceError).data ?? {};
      if (stored && (isAway(error) || status === 401 || status === 403)) {
        reportOffline(this.#url(file, revision), error as Error, this.#options);
        this.#commit = last;
        this.#isAway = true;
        return this.#report(stored, file);
      }
      await stored?.close();
      if (status !== 404) throw error;
      if (typeof commit === 'string' && isCommit(commit)) {
        await this.#settle(commit);
        await this.#cache.rememberAbsent(this.#fileOf(file, commit)).catch(() => {});
      }
      return this.#absent(error as SourceError);
    }
  }

  async #openPinned(file: string, commit: string, signal?: AbortSignal): Promise<ByteSource | undefined> {
    if (this.#isAway) return this.#openOffline(file, commit);
    const stored = await this.#openStored(file, commit);
    if (stored) return this.#report(stored, file);
    if (await this.#cache.isAbsent(this.#fileOf(file, commit))) return undefined;
    try {
      return await this.#download(file, await this.#ask(file, commit, signal), signal);
    } catch (error) {
      const { status, serverCode } = (error as SourceError).data ?? {};
      if (status !== 404) throw error;
      if (serverCode === 'EntryNotFound') await this.#cache.rememberAbsent(this.#fileOf(file, commit)).catch(() => {});
      return this.#absent(error as SourceError);
    }
  }

  async #openOffline(file: string, commit: string | undefined): Promise<ByteSource | undefined> {
    const stored = commit === undefined ? undefined : await this.#openStored(file, commit);
    if (stored) return this.#report(stored, file);
    // an optional file that was never stored counts as absent
    if (commit !== undefined && !isNeeded(file)) return undefined;
    const reason = isHubOffline() ? 'HF_HUB_OFFLINE forbids to download it' : 'the hub cannot be reached';
    throw new SourceError(`${this.name}/${file}`, `is not in the cache, and ${reason}`, { reason });
  }

  /** Asks the hub about a file. @param revision branch, tag or commit */
  async #ask(file: string, revision: string, signal?: AbortSignal, isStored = false): Promise<RemoteFile> {
    const url = this.#url(file, revision);
    const { onNotice, cache } = this.#options;
    const options = { headers: this.#headers, onNotice, retry: cache?.retry };
    const ask = async (signal?: AbortSignal, tries?: number): Promise<RemoteFile> => {
      const retry = tries === undefined ? options.retry : { ...options.retry, tries };
      // a page cannot read the headers of redirects
      if (IS_BROWSER) {
        const { owner, repo } = this.#names;
        this.#listing ??= await askListing(this.#endpoint, { owner, repo, revision }, { ...options, retry, signal });
        const found = this.#listing?.describe(file, nameOf(url));
        if (found) return found;
      }
      return describeRemote(url, { ...options, retry, signal });
    };
    return isStored ? withTimeout(hubTimeout(), nameOf(url), signal, (limited) => ask(limited, 1)) : ask(signal);
  }

  async #settle(commit: string | undefined): Promise<void> {
    const { owner, repo, revision } = this.#names;
    if (commit === undefined) return;
    this.#commit = commit;
    await this.#cache.rememberCommit(owner, repo, revision, commit).catch(() => {});
  }

  async #download(file: string, remote: RemoteFile, signal?: AbortSignal): Promise<ByteSource> {
    const { onProgress, onNotice, cache: { folder, keep, retry } = {}, headerOnly } = this.#options;
    const commit = this.#commit;
    const url = this.#url(file, commit ?? this.#names.revision);
    const options: UrlOptions = { headers: this.#headers, signal, onProgress, onNotice, retry };
    const writes = keep !== false && !(headerOnly && isWeights(file));
    const source = `hf:${this.#names.owner}/${this.#names.repo}@${this.#names.revision}/${file}`;
    if (commit === undefined)
      return this.#downloadUnpinned(file, url, { ...options, folder, keep: writes, remote, source });
    const etag = bareEtag(remote.etag) ?? '';
    const slot = isShareable(this.#names, etag) ? this.#slot(file, commit, etag) : undefined;
    if (slot && !writes) {
      // commits may share the same bytes
      return (await slot.open()) ?? httpSource(url, { ...options, window: HEADER_WINDOW });
    }
    if (slot && remote.size !== undefined) return openThrough(slot, url, { ...remote, size: remote.size }, options);
    return cachedUrl(url, { ...options, folder, keep: writes, remote, immutable: true, source });
  }

  /** For hubs without commits: checks at the end that no file has changed while the folder was read. */
  async #downloadUnpinned(file: string, url: URL, options: UrlOptions): Promise<ByteSource> {
    this.#seen.set(file, options.remote!);
    const opened = await cachedUrl(url, options);
    const before = [...this.#seen].filter(([name]) => name !== file);
    if (before.length === 0) return opened;
    return {
      name: opened.name,
      size: opened.size,
      read: (...range) => opened.read(...range),
      close: () => opened.close(),
      finish: async (signal) => {
        await opened.finish?.(signal);
        for (const [name, expected] of before) {
          const found = await this.#ask(name, this.#names.revision, signal);
          if (found.etag === expected.etag && found.size === expected.size) continue;
          this.#seen.clear();
          throw new SourceError(
            `${this.name}/${name}`,
            'changed on the server while the model was read: load it again',
            {
              expected,
              found,
            },
          );
        }
      },
    };
  }

  #slot(file: string, commit: string, etag: string) {
    const cache = this.#cache;
    const place = this.#fileOf(file, commit);
    return {
      open: () => cache.open(place),
      claim: (options: Parameters<HubCache['claim']>[2]) => cache.claim(place, etag, options),
      available: () => cache.available(),
    };
  }

  async #openStored(file: string, commit: string): Promise<ByteSource | undefined> {
    return isShareable(this.#names) ? this.#cache.open(this.#fileOf(file, commit)) : undefined;
  }

  #report(source: ByteSource, file: string): ByteSource {
    reportKept(source, this.#url(file, this.#names.revision), this.#options);
    return source;
  }

  /** @returns undefined if only the file is missing @throws the error if the repository or revision is missing */
  #absent(error: SourceError): undefined {
    const { serverCode } = error.data;
    if (serverCode === 'RepoNotFound' || serverCode === 'RevisionNotFound') throw error;
    return undefined;
  }

  #fileOf(file: string, commit: string): HubFile {
    const { owner, repo } = this.#names;
    return { owner, repo, commit, file };
  }

  #url(file: string, revision: string): URL {
    const { owner, repo } = this.#names;
    const url = new URL(this.#endpoint);
    const path = [owner, repo, 'resolve', revision, ...file.split('/')].map(encodeURIComponent);
    url.pathname = [url.pathname.replace(/\/$/, ''), ...path].join('/');
    return url;
  }
}

/** True if Hugging Face's layout has an unambiguous path for the file. */
function isShareable({ owner, repo }: Omit<HubName, 'inside'>, etag = 'x'): boolean {
  return !`${owner}/${repo}`.includes('--') && /^[\w-]{1,128}$/.test(etag);
}

/** False for optional files of a model folder. */
function isNeeded(file: string): boolean {
  return isWeights(file) || /(^|\/)config\.json$/.test(file);
}
