/**
 * Hub cache in the browser's private file system. Names are hashes, which every file system accepts and keeps distinct:
 *
 *     hub/REPOSITORY/blobs/ETAG             the bytes
 *     hub/REPOSITORY/snapshots/COMMIT-FILE  which bytes the file of a commit has
 *     hub/REPOSITORY/refs/REVISION          the commit of a branch
 *     hub/REPOSITORY/absent/COMMIT-FILE     a file that the commit does not have
 */
import { type CacheStore, readSmallFile, releasingOnError, writeSmallFile } from './cacheStore.ts';
import type { HubCache, HubFile, StoredHubFile } from './hubCache.ts';
import { sha256 } from './sha256.browser.ts';
import { cacheStore } from './store.browser.ts';

const ROOT = 'hub';

/** Written into `snapshots`. */
interface Pointer extends HubFile {
  readonly etag: string;
}

/** @param folder name of a folder in the private file system */
export function hubCache(folder?: string): HubCache {
  const store = cacheStore(folder);
  const home = ({ owner, repo }: Pick<HubFile, 'owner' | 'repo'>) => [ROOT, hashOf(`${owner}/${repo}`)];
  const pointer = (file: HubFile) => [...home(file), 'snapshots', hashOf(`${file.commit}/${file.file}`)];
  const absent = (file: HubFile) => [...home(file), 'absent', hashOf(`${file.commit}/${file.file}`)];
  const ref = (owner: string, repo: string, revision: string) => [...home({ owner, repo }), 'refs', hashOf(revision)];
  const blob = (file: HubFile, etag: string) => [...home(file), 'blobs', hashOf(etag)];

  const cache: HubCache = {
    async open(file) {
      const found = await readPointer(store, pointer(file));
      return found && store.open(blob(file, found.etag));
    },
    async claim(file, etag, options) {
      const claimed = await store.claim(blob(file, etag), 'blob', options);
      const { owner, repo, commit, file: name } = file;
      const text = JSON.stringify({ owner, repo, commit, file: name, etag } satisfies Pointer);
      return releasingOnError(claimed, () => writeSmallFile(store, pointer(file), text));
    },
    async commitOf(owner, repo, revision) {
      return readSmallFile(store, ref(owner, repo, revision)).catch(() => undefined);
    },
    rememberCommit: (owner, repo, revision, commit) => writeSmallFile(store, ref(owner, repo, revision), commit),
    isAbsent: async (file) => (await readSmallFile(store, absent(file)).catch(() => undefined)) !== undefined,
    rememberAbsent: (file) => writeSmallFile(store, absent(file), 'absent'),
    async list() {
      const found: StoredHubFile[] = [];
      for (const repository of await store.names([ROOT])) {
        for (const name of await store.names([ROOT, repository, 'snapshots'])) {
          const file = await readPointer(store, [ROOT, repository, 'snapshots', name]);
          if (!file) continue;
          const path = blob(file, file.etag);
          found.push({ ...file, bytes: await store.bytes(path), complete: (await store.open(path)) !== undefined });
        }
      }
      return found;
    },
    async remove(file) {
      const found = await readPointer(store, pointer(file));
      if (!found) return 0;
      await store.remove(pointer(file));
      for (const name of await store.names([...home(file), 'snapshots'])) {
        const other = await readPointer(store, [...home(file), 'snapshots', name]);
        if (other?.etag === found.etag) return 0;
      }
      return store.remove(blob(file, found.etag));
    },
    available: () => store.available(),
  };
  return cache;
}

async function readPointer(store: CacheStore, path: readonly string[]): Promise<Pointer | undefined> {
  try {
    return JSON.parse((await readSmallFile(store, path)) ?? '') as Pointer;
  } catch {
    return undefined;
  }
}

function hashOf(text: string): string {
  const hash = sha256();
  hash.update(new TextEncoder().encode(text));
  return hash.hex().slice(0, 32);
}
