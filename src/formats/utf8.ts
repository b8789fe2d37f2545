/** Decodes text of untrusted files. */
import { FormatError, grouped } from '../core/errors.ts';

/**
 * @param what name of the text, and @param offset its file offset, for error messages
 * @throws {FormatError} if it is not UTF-8
 */
export function decodeUtf8(bytes: Uint8Array, file: string, what: string, offset: number): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    const problem = `${what} at byte ${grouped(offset)} is not valid UTF-8`;
    throw new FormatError(file, problem, { offset, expected: 'UTF-8' }, { cause });
  }
}
