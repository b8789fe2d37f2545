/** Writes a GGUF file that is complete or not there. */
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { type GgufContents, writeGguf } from '../formats/gguf/write.ts';

/** @throws {SourceError} e.g. if the disk is full */
export async function writeFile(
  path: string,
  contents: GgufContents,
  options: { signal?: AbortSignal } = {},
): Promise<void> {
  const [folder, file] = splitPath(path);
  await checkpointFolder(folder).replace(file, (sink) => writeGguf(sink, contents, options));
}

/** 'a/b.gguf' → ['a', 'b.gguf'] */
export function splitPath(path: string): [folder: string, file: string] {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  return at < 0 ? ['.', path] : [path.slice(0, at) || '/', path.slice(at + 1)];
}
