/** Decodes UTF-8 text of untrusted files. */
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

/** Added to a byte that is not UTF-8: 0x80 … 0xff become the lone surrogates U+DC80 … U+DCFF, as Python's surrogateescape. */
const ESCAPE = 0xdc00;

/** Text in which bytes that are not UTF-8 are kept as lone surrogates, see {@link encodeLoosely}. */
export function decodeLoosely(bytes: Uint8Array): string {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    return strict.decode(bytes);
  } catch {
    let text = '';
    for (let at = 0; at < bytes.length; ) {
      const length = sequenceLength(bytes, at);
      if (length === 0) text += String.fromCharCode(ESCAPE + bytes[at]);
      else text += strict.decode(bytes.subarray(at, at + length));
      at += Math.max(1, length);
    }
    return text;
  }
}

/** Restores the bytes of a text from {@link decodeLoosely}. */
export function encodeLoosely(text: string): Uint8Array {
  const encoder = new TextEncoder();
  if (!/[\udc80-\udcff]/.test(text)) return encoder.encode(text);
  // a lone surrogate represents a byte; a pair is one character
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.charCodeAt(0);
    if (character.length === 1 && code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff) bytes.push(code - ESCAPE);
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
}

/** Length in bytes of the UTF-8 character at `at`; 0 if it is invalid. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length < 2) return length;
  const second = bytes[at + 1] ?? 0;
  // overlong forms, surrogates, and code points beyond U+10FFFF
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  for (let i = 2; i < length; i++) if ((bytes[at + i] ?? 0) >> 6 !== 2) return 0;
  return length;
}
