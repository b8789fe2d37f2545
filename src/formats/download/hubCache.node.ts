/**
 * Hugging Face's cache on disk, shared with the Python tools:
 *
 *     models--owner--repo/
 *       blobs/ETAG                     the bytes
 *       snapshots/COMMIT/path/to/file  a link to them
 *       refs/main                      the commit of a branch
 *       .no_exist/COMMIT/file          a file that the commit does not have
 *     .locks/models--owner--repo/ETAG.lock
 */
import { mkdir, readdir, readFile, readlink, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileSource } from '../sources/path.node.ts';
import type { HubCache, HubFile, StoredHubFile } from './hubCache.ts';
import { hubCacheFolder } from './hubEnvironment.ts';
import { claimPartial } from './partialFile.node.ts';
import { isCommit } from './remoteFile.ts';
import { cacheStore } from './store.node.ts';

/** Partial files of killed Python processes: ETAG.incomplete, and since huggingface_hub 1.4 ETAG.1a2b3c4d.incomplete. */
const PYTHON_PARTIAL = /^(\.[0-9a-f]{8})?\.incomplete$/;

const CACHEDIR_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# This file marks a cache directory; see https://bford.info/cachedir/
`;

/** @param folder cache folder. Default: HF_HUB_CACHE, then `hub` in Hugging Face's folder */
export function hubCache(folder: string = hubCacheFolder()): HubCache {
  const home = (owner: string, repo: string) => join(folder, `models--${owner}--${repo}`);
  const homeOf = ({ owner, repo }: HubFile) => home(owner, repo);
  const pointer = (file: HubFile) => join(homeOf(file), 'snapshots', file.commit, ...file.file.split('/'));
  const absent = (file: HubFile) => join(homeOf(file), '.no_exist', file.commit, ...file.file.split('/'));
  const ref = (owner: string, repo: string, revision: string) =>
    join(home(owner, repo), 'refs', ...revision.split('/'));

  const cache: HubCache = {
    async open(file) {
      const path = pointer(file);
      if (!(await isExactly(folder, path))) return undefined;
      return fileSource(path).catch(() => undefined);
    },
    async claim(file, etag, options = {}) {
      const blob = join(homeOf(file), 'blobs', etag);
      const lock = join(folder, '.locks', basename(homeOf(file)), `${etag}.lock`);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'CACHEDIR.TAG'), CACHEDIR_TAG, { flag: 'wx' }).catch(() => {});
      const link = () => linkTo(blob, pointer(file));
      const exists = async () => {
        if (!(await isFile(blob))) return isExactly(folder, pointer(file));
        await link();
        return true;
      };
      return claimPartial(blob, {
        ...options,
        lock,
        version: 'blob',
        exists,
        foreign: PYTHON_PARTIAL,
        onComplete: link,
      });
    },
    async commitOf(owner, repo, revision) {
      const path = ref(owner, repo, revision);
      if (!(await isExactly(folder, path))) return undefined;
      const text = await readFile(path, 'utf8').catch(() => '');
      return isCommit(text.trim()) ? text.trim() : undefined;
    },
    async rememberCommit(owner, repo, revision, commit) {
      await replace(ref(owner, repo, revision), commit);
    },
    isAbsent: (file) => isFile(absent(file)),
    async rememberAbsent(file) {
      await replace(absent(file), '');
    },
    async list() {
      const found: StoredHubFile[] = [];
      for (const name of await namesIn(folder)) {
        const [, owner, repo] = /^models--(.+?)--(.+)$/.exec(name) ?? [];
        if (!owner) continue;
        for (const commit of await namesIn(join(folder, name, 'snapshots'))) {
          for (const { file, bytes } of await filesIn(join(folder, name, 'snapshots', commit)))
            found.push({ owner, repo, commit, file, bytes, complete: true });
        }
      }
      return found;
    },
    async remove(file) {
      const path = pointer(file);
      if (!(await isExactly(folder, path))) return 0;
      const blob = await realpath(path).catch(() => path);
      const { size } = await stat(blob).catch(() => ({ size: 0 }));
      await rm(path);
      const others = (await cache.list()).filter(({ owner, repo }) => owner === file.owner && repo === file.repo);
      const blobs = await Promise.all(others.map((other) => realpath(pointer(other)).catch(() => '')));
      if (blobs.includes(blob)) return 0;
      // a blob outside the repository's folder is shared between repositories
      if (blob !== path && !relative(folder, blob).startsWith('..')) await rm(blob, { force: true });
      if (others.length === 0) await rm(homeOf(file), { recursive: true, force: true });
      return size;
    },
    available: () => cacheStore(folder).available(),
  };
  return cache;
}

/**
 * Links a snapshot's file to its bytes. If the file system has no links, moves the file there, as the Python tools do.
 */
async function linkTo(blob: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const target = relative(dirname(path), blob);
  try {
    await symlink(target, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // another process was faster, or two names differ only by case on a case-insensitive file system
    if (code === 'EEXIST') return relink(target, path);
    await rename(blob, path);
  }
}

/** Points a link at other bytes, if it has exactly this name. */
async function relink(target: string, path: string): Promise<void> {
  if (!(await namesIn(dirname(path))).includes(basename(path))) return;
  if ((await readlink(path).catch(() => undefined)) === target) return;
  const fresh = `${path}.${process.pid}.link`;
  await symlink(target, fresh);
  await rename(fresh, path);
}

/** Writes a small file atomically. */
async function replace(path: string, text: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return;
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.${process.pid}.new`;
  await writeFile(fresh, text);
  await rename(fresh, path);
}

/** True if the path exists with exactly this spelling. Some file systems ignore case and Unicode normalization. */
async function isExactly(folder: string, path: string): Promise<boolean> {
  let at = folder;
  for (const name of relative(folder, path).split(/[\\/]/)) {
    if (!(await namesIn(at)).includes(name)) return false;
    at = join(at, name);
  }
  return true;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

async function filesIn(folder: string, inside = ''): Promise<{ file: string; bytes: number }[]> {
  const found: { file: string; bytes: number }[] = [];
  for (const name of await namesIn(folder)) {
    const status = await stat(join(folder, name)).catch(() => undefined);
    if (status?.isDirectory()) found.push(...(await filesIn(join(folder, name), `${inside}${name}/`)));
    else if (status) found.push({ file: inside + name, bytes: status.size });
  }
  return found;
}
