/** Text from files and from what is piped in. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { SourceError } from '../index.ts';

/** A UTF-8 file. @throws {SourceError} */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new SourceError(path, code === 'ENOENT' ? 'no such file' : message, { reason: code }, { cause });
  }
}

/** What is piped in; undefined where stdin is a terminal. */
export async function readPipedText(): Promise<string | undefined> {
  return process.stdin.isTTY ? undefined : text(process.stdin);
}
