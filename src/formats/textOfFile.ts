/** Reads a small file by its path, in Node and in a browser's private file system. */
import { fileSource } from '#leaf/formats/sources/path';
import { readText } from './json.ts';

/** @returns the file as UTF-8 text @throws {FormatError|SourceError} */
export async function textOfFile(path: string): Promise<string> {
  const file = await fileSource(path);
  try {
    return await readText(file);
  } finally {
    await file.close();
  }
}
