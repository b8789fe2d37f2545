/**
 * GPT-2's byte alphabet: represents every byte by one visible letter, so that byte strings can be written in JSON. Printable bytes
 * represent themselves; the other 68 follow in order from U+0100 (the space 0x20 is Ġ, U+0120).
 * Source: `bytes_to_unicode` of openai/gpt-2 (encoder.py).
 */

/** The letter of each byte. */
export const letterOfByte: readonly string[] = letters();

/** Byte by letter code; -1 for other characters. */
const byteOfLetter = new Int16Array(0x144).fill(-1);
letterOfByte.forEach((letter, byte) => {
  byteOfLetter[letter.charCodeAt(0)] = byte;
});
const encoder = new TextEncoder();

/** Converts text to its UTF-8 bytes as letters. */
export function toByteLetters(text: string): string {
  let result = '';
  for (const byte of encoder.encode(text)) result += letterOfByte[byte];
  return result;
}

/** Converts letters to bytes. A character outside the alphabet becomes its own UTF-8. */
export function fromByteLetters(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) {
    const byte = byteOfLetter[text.charCodeAt(at)] ?? -1;
    if (byte < 0) return fromMixedText(text);
    bytes[at] = byte;
  }
  return bytes;
}

function fromMixedText(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const byte = byteOfLetter[character.codePointAt(0)!] ?? -1;
    if (byte < 0) for (const one of encoder.encode(character)) bytes.push(one);
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

function letters(): string[] {
  let others = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    return String.fromCodePoint(printable ? byte : others++);
  });
}

/** True if every character is a letter of the alphabet. */
export function isByteLetters(text: string): boolean {
  for (let at = 0; at < text.length; at++) if ((byteOfLetter[text.charCodeAt(at)] ?? -1) < 0) return false;
  return true;
}
