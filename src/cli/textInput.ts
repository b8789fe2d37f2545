/** Text from files and from what is piped in. All commands read texts here. */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import { decodeText, OptionError, SourceError, textEncodings } from '../index.ts';

export interface TextValues {
  readonly encoding?: string;
}

export function addEncodingOption(command: Command): Command {
  return command.addOption(
    new Option('--encoding <name>', 'encoding of text files and piped text (default: utf-8)').choices(textEncodings),
  );
}

const ADVICE = 'save it as UTF-8, or name its encoding with --encoding, such as latin1 or utf-16';

/** @throws {SourceError} where the file cannot be read; {FormatError} where it is not in its encoding */
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

/** What is piped in; undefined where stdin is a terminal. @throws {FormatError} */
export async function readPipedText({ encoding }: TextValues = {}): Promise<string | undefined> {
  if (process.stdin.isTTY) return undefined;
  return decodeText(await buffer(process.stdin), 'piped text', { encoding, advice: ADVICE });
}

/** What is piped in as a prompt: without the line break at its end, which shells and editors add. */
export async function readPipedPrompt(values: TextValues = {}): Promise<string | undefined> {
  return (await readPipedText(values))?.replace(/\r?\n$/, '');
}

/** A text as it is written, or a JSON string. @param what names it in errors @throws {OptionError} */
export function plainText(written: string, what: string): string {
  if (!/^".*"\s*$/.test(written)) return written;
  try {
    return JSON.parse(written) as string;
  } catch {
    throw new OptionError(what, written.slice(0, 60), 'a text, or a JSON string');
  }
}
