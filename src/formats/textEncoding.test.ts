import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError, OptionError } from '../core/errors.ts';
import { decodeText } from './textEncoding.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const utf16 = (text: string) => new Uint8Array(Uint16Array.from(text, (unit) => unit.charCodeAt(0)).buffer);
const swapped = (bytes: Uint8Array) => bytes.map((_, i) => bytes[i ^ 1]);

function failure(bytes: Uint8Array, encoding?: string): FormatError {
  try {
    decodeText(bytes, 'a.txt', { encoding });
  } catch (error) {
    return error as FormatError;
  }
  return expect.fail('it should have failed');
}

describe('texts', () => {
  it('in UTF-8 are what they are, without a byte order mark', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(!text.startsWith('\uFEFF') && !text.includes('\0'));
        expect(decodeText(utf8(text), 'a.txt')).toBe(text);
        expect(decodeText(utf8(`\uFEFF${text}`), 'a.txt')).toBe(text);
      }),
      { seed: 1 },
    );
  });

  it.each([
    ['Latin-1', latin1('Caf\xe9 au lait'), 'a.txt: byte 3 (0xe9) is not valid UTF-8: save it as UTF-8', 3],
    [
      'a character that is cut',
      utf8('Café').subarray(0, 4),
      'a.txt: ends within a character, at byte 3 (0xc3): save it as UTF-8',
      3,
    ],
    [
      'a far byte',
      latin1(`${'a'.repeat(5000)}\xff${'b'.repeat(5000)}`),
      'a.txt: byte 5,000 (0xff) is not valid UTF-8: save it as UTF-8',
      5000,
    ],
    ['UTF-16 with a mark', utf16('\uFEFFhello'), 'a.txt: is UTF-16LE, not UTF-8: save it as UTF-8', 0],
    ['UTF-16 without a mark', utf16('hello'), 'a.txt: is UTF-16LE, not UTF-8: save it as UTF-8', 0],
    ['UTF-16 of the other order', swapped(utf16('hello')), 'a.txt: is UTF-16BE, not UTF-8: save it as UTF-8', 0],
  ])('in %s are refused with the place', (_, bytes, message, offset) => {
    const error = failure(bytes);
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toBe(message);
    expect(error.data.offset).toBe(offset);
  });

  it('in another encoding are read where it is named', () => {
    expect(decodeText(latin1('Caf\xe9'), 'a.txt', { encoding: 'latin1' })).toBe('Café');
    expect(decodeText(utf16('\uFEFFh\xe9'), 'a.txt', { encoding: 'UTF-16' })).toBe('hé');
    expect(decodeText(swapped(utf16('hé')), 'a.txt', { encoding: 'utf-16be' })).toBe('hé');
    expect(failure(utf16('ab').subarray(0, 3), 'utf-16le').message).toBe('a.txt: is not valid utf-16le');
    expect(failure(utf8('a'), 'ebcdic')).toBeInstanceOf(OptionError);
  });
});
