/** Reads text from files and from stdin. All commands use it. */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import { decodeText, OptionError, SourceError, textEncodings } from '../index.ts';

export interface TextValues {
  readonly encoding?: string;
}

export function addEncodingOption(command: Command): Command {
  return command.addOption(
    new Option('--encoding <name>', 'encoding of text files and stdin (default: utf-8)').choices(textEncodings),
  );
}

const ADVICE = 'save it as UTF-8, or set --encoding, e.g. latin1 or utf-16';

/** @throws {SourceError} if the file cannot be read @throws {FormatError} if it does not have the encoding */
export async function readTextFile(path: string, { encoding }: TextValues = {}): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const problem =
      code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'is a folder, expected a text file' : message;
    throw new SourceError(path, problem, { reason: code }, { cause });
  }
  return decodeText(bytes, path, { encoding, advice: ADVICE });
}

/** Reads stdin. Returns undefined if it is a terminal. @throws {FormatError} */
export async function readPipedText({ encoding }: TextValues = {}): Promise<string | undefined> {
  if (process.stdin.isTTY) return undefined;
  return decodeText(await buffer(process.stdin), 'piped text', { encoding, advice: ADVICE });
}

/** Reads a prompt from stdin. Removes the line break that shells and editors add at the end. */
export async function readPipedPrompt(values: TextValues = {}): Promise<string | undefined> {
  return (await readPipedText(values))?.replace(/\r?\n$/, '');
}

/** Returns a text, decoding it if it is a JSON string. @param what name for errors @throws {OptionError} */
export function plainText(written: string, what: string): string {
  if (!/^".*"\s*$/.test(written)) return written;
  try {
    return JSON.parse(written) as string;
  } catch {
    throw new OptionError(what, written.slice(0, 60), 'text or a valid JSON string');
  }
}
