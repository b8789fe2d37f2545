/** Text from files and from what is piped in. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { OptionError, SourceError } from '../index.ts';

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

/** A text as it is written, or as a JSON string. @param what names it @throws {OptionError} */
export function plainText(written: string, what: string): string {
  if (!/^".*"\s*$/.test(written)) return written;
  try {
    return JSON.parse(written) as string;
  } catch {
    throw new OptionError(what, written.slice(0, 60), 'a text, or a JSON string');
  }
}
