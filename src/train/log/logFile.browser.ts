/** Append-only text file in the browser's origin private file system. Appended text is stored by the next flush. */
import { SourceError, UnsupportedError } from '../../core/errors.ts';
import type { GrowingFile } from './growingFile.ts';

/** @param path folder names and file name separated by slashes @throws {SourceError} if the file cannot be written */
export async function openLogFile(path: string): Promise<GrowingFile> {
  if (!navigator.storage?.getDirectory)
    throw new UnsupportedError('keeping a log', 'without a private file system', ['pages of secure contexts']);
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  let folder = await navigator.storage.getDirectory();
  for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name, { create: true });
  const handle = await folder.getFileHandle(names.at(-1) ?? 'log.jsonl', { create: true });
  let text = await (await handle.getFile()).text();
  const flush = async () => {
    try {
      const stream = await handle.createWritable();
      await stream.write(text);
      await stream.close();
    } catch (cause) {
      throw new SourceError(path, (cause as Error).message, { reason: (cause as Error).name }, { cause });
    }
  };
  return {
    text: async () => text,
    async truncateTo(prefix) {
      text = prefix;
    },
    async append(more) {
      text += more;
    },
    flush,
    close: flush,
  };
}
