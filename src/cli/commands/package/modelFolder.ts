/** The files of a model on disk, for signing and verifying: a folder, or a single file. */
import { lstat, readdir } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { SourceError } from '../../../index.ts';
import { type ModelFile, openFile } from '../../../package/index.ts';

export interface ModelFolder {
  readonly name: string;
  readonly files: readonly ModelFile[];
  close(): Promise<void>;
}

/** @param except path that is left out: the signature itself */
export async function openModelFolder(path: string, except: string): Promise<ModelFolder> {
  const isFolder = (await lstat(path)).isDirectory();
  const paths = isFolder ? await filesBelow(path) : [path];
  const files: ModelFile[] = [];
  const close = async () => {
    await Promise.all(files.map(({ source }) => source.close()));
  };
  try {
    for (const file of paths) {
      if (resolve(file) === resolve(except)) continue;
      const name = isFolder ? relative(path, file).split(sep).join('/') : basename(file);
      files.push({ name, source: await openFile(file) });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { name: basename(resolve(path)), files, close };
}

/** Paths of all files in a folder. @throws {SourceError} for links and special files */
export async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...(await filesBelow(path)));
    else if (entry.isFile()) found.push(path);
    else throw new SourceError(path, 'is a symbolic link or a special file, which cannot be signed');
  }
  return found;
}
