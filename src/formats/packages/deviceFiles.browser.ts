/** A store's files in the browser's private file system (OPFS). */
import { NotKeptError } from '../download/notKept.ts';
import { undefinedWhenMissing, writeFile } from '../download/opfs.ts';
import { missingBytes } from './memoryFiles.ts';
import { PackageError } from './packageError.ts';
import type { StoreFiles } from './storeFiles.ts';

/** @param folder name of a folder in the private file system; default: espalier-packages */
export function deviceFiles(folder: string = 'espalier-packages'): StoreFiles {
  const held = (generation: string) => `espalier ${folder} held ${generation}`;
  return {
    name: `the browser's private file system/${folder}`,
    folder,
    // browsers do not say when a file has reached the disk
    isDurable: false,
    async size(path) {
      const file = await handleOf(folder, path, false);
      return (await file?.getFile())?.size;
    },
    async read(path, offset, into) {
      const file = await (await handleOf(folder, path, false))?.getFile();
      if (!file || file.size < offset + into.length) throw missingBytes(folder, path, offset + into.length);
      into.set(new Uint8Array(await file.slice(offset, offset + into.length).arrayBuffer()));
    },
    async write(path, bytes) {
      const [parents, name] = split(path);
      const parent = (await folderOf([folder, ...parents], true))!;
      await writeFile(parent, name, bytes as Uint8Array<ArrayBuffer>).catch(async (error: Error) => {
        throw await refusedWrite(error, path, bytes.length);
      });
    },
    async remove(path) {
      const [parents, name] = split(path);
      const parent = await folderOf([folder, ...parents], false);
      await parent?.removeEntry(name).catch(undefinedWhenMissing);
    },
    async list(path) {
      const found = await folderOf([folder, ...path.split('/')], false);
      const names: string[] = [];
      if (found) for await (const name of found.keys()) names.push(name);
      return names;
    },
    async locked(name, work, signal) {
      return navigator.locks.request(`espalier ${folder} ${name}`, { signal }, work) as Promise<
        Awaited<ReturnType<typeof work>>
      >;
    },
    async hold(generation) {
      let release = () => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      await new Promise<void>((granted, refused) => {
        const keep = () => {
          granted();
          return released;
        };
        navigator.locks.request(held(generation), { mode: 'shared' }, keep).catch(refused);
      });
      return async () => release();
    },
    async held() {
      const { held: locks = [] } = await navigator.locks.query();
      const prefix = held('');
      const names = locks.map(({ name = '' }) => name).filter((name) => name.startsWith(prefix));
      return new Set(names.map((name) => name.slice(prefix.length)));
    },
    // the browser removes them itself
    sweep: async () => 0,
  };
}

/** The error of a write that the browser refused for want of room, or because this thread may not write. */
async function refusedWrite(error: Error, path: string, bytes: number): Promise<Error> {
  if (error instanceof NotKeptError)
    return new PackageError('CANNOT_STORE', `no file can be written: ${error.message}`, { path }, { cause: error });
  if (error.name !== 'QuotaExceededError') return error;
  const { usage = 0, quota = 0 } = await navigator.storage.estimate();
  const problem = `no room for ${path} of ${bytes} bytes: the browser grants ${quota} bytes, of which ${usage} are used`;
  return new PackageError('STORE_FULL', problem, { path, bytes, available: quota - usage }, { cause: error });
}

function split(path: string): [string[], string] {
  const names = path.split('/');
  return [names.slice(0, -1), names.at(-1)!];
}

async function handleOf(root: string, path: string, create: boolean): Promise<FileSystemFileHandle | undefined> {
  const [parents, name] = split(path);
  const parent = await folderOf([root, ...parents], create);
  return parent?.getFileHandle(name, { create }).catch(undefinedWhenMissing);
}

async function folderOf(names: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  let folder: FileSystemDirectoryHandle | undefined = await navigator.storage.getDirectory();
  for (const name of names) folder = await folder?.getDirectoryHandle(name, { create }).catch(undefinedWhenMissing);
  return folder;
}
