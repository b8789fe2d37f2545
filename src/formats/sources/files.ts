/** Folders in browsers: Files that the user picked or dropped, and directory handles. */
import { OptionError } from '../../core/errors.ts';
import type { ByteSource } from '../byteSource.ts';
import type { Folder } from '../folder.ts';
import { blobSource } from './blob.ts';

/** A FileSystemFileHandle, or anything that opens a File. */
export interface FileHandleLike {
  getFile(): Promise<Blob>;
}

/** The used part of FileSystemDirectoryHandle. */
export interface DirectoryHandleLike {
  readonly name: string;
  getFileHandle(name: string): Promise<FileHandleLike>;
  getDirectoryHandle(name: string): Promise<DirectoryHandleLike>;
  keys(): AsyncIterable<string>;
}

export interface NamedFolder extends Folder {
  /** Names of the files at the folder's top level. */
  names(signal?: AbortSignal): Promise<readonly string[]>;
}

/** Makes a folder of picked files. Files of a picked directory are named by their path in it. @throws {OptionError} */
export function filesFolder(files: readonly Blob[]): NamedFolder {
  const byName = new Map<string, Blob>();
  for (const [i, file] of files.entries()) {
    const name = pathOf(file);
    if (name === undefined)
      throw new OptionError(`source[${i}]`, 'a Blob', 'a File, since files are found by their names');
    byName.set(name, file);
  }
  return {
    name: `${files.length} files`,
    names: async () => [...byName.keys()].filter((name) => !name.includes('/')),
    async open(name): Promise<ByteSource | undefined> {
      const file = byName.get(name);
      return file && blobSource(file, name);
    },
  };
}

export function handleFolder(handle: DirectoryHandleLike): NamedFolder {
  return {
    name: handle.name || 'directory',
    async names() {
      const names: string[] = [];
      for await (const name of handle.keys()) names.push(name);
      return names;
    },
    async open(path): Promise<ByteSource | undefined> {
      const folders = path.split('/');
      const name = folders.pop()!;
      try {
        let at = handle;
        for (const folder of folders) at = await at.getDirectoryHandle(folder);
        return blobSource(await (await at.getFileHandle(name)).getFile(), path);
      } catch (error) {
        if (['NotFoundError', 'TypeMismatchError'].includes((error as Error).name)) return undefined;
        throw error;
      }
    },
  };
}

/** 'model/config.json' of a picked directory → 'config.json' */
function pathOf(file: Blob): string | undefined {
  const { name, webkitRelativePath } = file as Partial<File>;
  if (webkitRelativePath) return webkitRelativePath.split('/').slice(1).join('/');
  return name || undefined;
}
