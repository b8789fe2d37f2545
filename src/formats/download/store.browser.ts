/** Cache in the browser's private file system (OPFS). Each file is a folder, see partialFile.browser.ts. */
import { blobSource } from '../sources/blob.ts';
import { type CacheStore, type ClaimOptions, fillClaimed, type PartialFile } from './cacheStore.ts';
import { NotKeptError, notKept } from './notKept.ts';
import { completeParts, undefinedWhenMissing } from './opfs.ts';
import { claimPartial } from './partialFile.browser.ts';
import { takeTurn } from './turns.browser.ts';

/** @param folder name of a folder in the private file system */
export function cacheStore(folder = 'espalier'): CacheStore {
  const at = (path: readonly string[], create = false) => subfolder([folder, ...path], create);
  async function claim(
    path: readonly string[],
    version: string,
    { signal, onWait }: ClaimOptions,
    find: typeof completeParts,
  ): Promise<PartialFile | undefined> {
    const name = path.join('/');
    const home = await at(path, true).catch(async (cause) => {
      throw await notKept(name, cause);
    });
    const reportProgress = onWait && (() => void bytesIn(home!).then(onWait, () => {}));
    const turn = await takeTurn(`${folder}/${name}`, { signal, onWait: reportProgress });
    try {
      if (!(await find(home!))) return await claimPartial(home!, version, () => turn.end());
      turn.end();
      return undefined;
    } catch (error) {
      turn.end();
      throw await notKept(name, error);
    }
  }
  const store: CacheStore = {
    async open(path) {
      const home = await at(path).catch(() => undefined);
      const files = home && (await completeParts(home));
      // a Blob of Files reads them lazily
      return files && blobSource(new Blob(files), path.join('/'));
    },
    claim: (path, version, options = {}) => claim(path, version, options, completeParts),
    async fill(path, version, work) {
      await fillClaimed((await claim(path, version, {}, async () => undefined))!, work);
    },
    async remove(path) {
      const bytes = await store.bytes(path);
      const parent = await at(path.slice(0, -1)).catch(() => undefined);
      await parent?.removeEntry(path.at(-1)!, { recursive: true }).catch(undefinedWhenMissing);
      return bytes;
    },
    async names(path) {
      const home = await at(path).catch(() => undefined);
      const names: string[] = [];
      if (home) for await (const name of home.keys()) names.push(name);
      return names;
    },
    async bytes(path) {
      const home = await at(path).catch(() => undefined);
      return home ? bytesIn(home) : 0;
    },
    async available() {
      const { quota, usage } = (await navigator.storage?.estimate?.()) ?? {};
      return quota === undefined ? undefined : Math.max(0, quota - (usage ?? 0));
    },
  };
  return store;
}

/** @throws {NotKeptError} if there is no private file system; DOMException */
async function subfolder(path: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  if (!navigator.storage?.getDirectory) {
    const reason = globalThis.isSecureContext ? 'this browser has none' : 'only pages of https: and localhost have one';
    const message = `${path.at(-1)}: it cannot be kept without a private file system: ${reason}`;
    throw new NotKeptError('NOT_KEPT', message, { reason });
  }
  let folder = await navigator.storage.getDirectory();
  for (const name of path) {
    const next = await folder.getDirectoryHandle(name, { create }).catch(undefinedWhenMissing);
    if (!next) return undefined;
    folder = next;
  }
  return folder;
}

async function bytesIn(folder: FileSystemDirectoryHandle): Promise<number> {
  let bytes = 0;
  for await (const entry of folder.values()) {
    if (entry.kind === 'directory') bytes += await bytesIn(entry);
    else bytes += (await entry.getFile()).size;
  }
  return bytes;
}
