/** Checkpoint folder in the browser's origin private file system. A writable stream takes effect when it is closed. */
import { SourceError, UnsupportedError } from '../../core/errors.ts';
import { blobSource } from '../../formats/sources/blob.ts';
import type { CheckpointFolder } from './checkpointFolder.ts';

/** @param path folder names separated by slashes */
export function checkpointFolder(path: string): CheckpointFolder {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  const at = async (create: boolean): Promise<FileSystemDirectoryHandle | undefined> => {
    if (!navigator.storage?.getDirectory)
      throw new UnsupportedError('keeping checkpoints', 'without a private file system', ['pages of secure contexts']);
    let folder = await navigator.storage.getDirectory();
    for (const name of names) {
      const next = await folder.getDirectoryHandle(name, { create }).catch(undefinedWhenMissing);
      if (!next) return undefined;
      folder = next;
    }
    return folder;
  };
  return {
    name: path,
    async list() {
      const found: string[] = [];
      for await (const name of (await at(false))?.keys() ?? []) found.push(name);
      return found;
    },
    async open(file) {
      const handle = await (await at(false))?.getFileHandle(file).catch(undefinedWhenMissing);
      if (!handle) throw new SourceError(`${path}/${file}`, 'no such file');
      return blobSource(await handle.getFile(), `${path}/${file}`);
    },
    async replace(file, work) {
      const handle = await (await at(true))!.getFileHandle(file, { create: true });
      const stream = await handle.createWritable();
      try {
        // copies, because the stream does not accept views of shared memory
        await work({ write: (bytes) => stream.write(new Uint8Array(bytes)) });
        await stream.close();
      } catch (cause) {
        await stream.abort().catch(() => {});
        if (!(cause instanceof DOMException)) throw cause;
        const full = cause.name === 'QuotaExceededError';
        const problem = full ? 'the disk is full; free some space and resume' : cause.message;
        throw new SourceError(`${path}/${file}`, problem, { reason: cause.name }, { cause });
      }
    },
    async remove(file) {
      await (await at(false))?.removeEntry(file).catch(undefinedWhenMissing);
    },
  };
}

function undefinedWhenMissing(error: unknown): undefined {
  if (error instanceof DOMException && error.name === 'NotFoundError') return undefined;
  throw error;
}
