/** The folder of a federation's client in the browser's private file system (OPFS), which only pages of its origin can read. */
import { OptionError, UnsupportedError } from '../../core/errors.ts';
import { checkpointFolder } from '../../train/checkpoint/folder.browser.ts';
import { openLocked } from '../folderLock.ts';
import { type ClientFiles, openClientFiles } from './clientFiles.ts';
import type { ClientFolder } from './clientState.ts';

/**
 * A page that is reloaded continues its round. Browsers do not say when a file has reached the disk, so a power failure may lose the
 * last change; they may also remove the folder when space is short, unless `navigator.storage.persist()` was granted.
 * @param folder folder names separated by slashes; one tab or worker at a time may use it
 * @throws {FederatedError} FOLDER_IN_USE if another one does @throws {UnsupportedError} if the browser cannot replace files
 */
export async function clientFolder(folder: string): Promise<ClientFolder> {
  const names = folder.split('/').filter((name) => name !== '' && name !== '.');
  if (names.length === 0 || names.includes('..'))
    throw new OptionError('folder', folder, 'names of folders in the private file system, separated by slashes');
  if (typeof FileSystemFileHandle === 'undefined' || !('createWritable' in FileSystemFileHandle.prototype))
    throw new UnsupportedError('keeping the state of a client', 'in this browser', [
      'Chrome 86, Firefox 111, Safari 26, and later ones, in pages of https: and localhost',
    ]);
  const path = names.join('/');
  return openLocked(path, (release) => openClientFiles(filesIn(path), release));
}

function filesIn(path: string): ClientFiles {
  const files = checkpointFolder(path);
  return {
    name: path,
    async read(file) {
      if (!(await files.list()).includes(file)) return undefined;
      const source = await files.open(file);
      // a file is created empty before it is first replaced
      if (source.size === 0) return undefined;
      const bytes = new Uint8Array(source.size);
      await source.read(0, bytes.length, bytes);
      return bytes;
    },
    replace: (file, bytes) => files.replace(file, (sink) => sink.write(bytes)),
  };
}
