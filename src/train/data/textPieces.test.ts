import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../core/errors.ts';
import { memorySource } from '../../formats/sources/memory.ts';
import { type TextPiecesOptions, textPieces } from './textPieces.ts';

async function documents(text: string | Uint8Array, options?: TextPiecesOptions): Promise<string[]> {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  const found: string[] = [];
  let open = '';
  for await (const { text, ends } of textPieces(memorySource(bytes, 'a.txt'), options)) {
    open += text;
    if (ends) found.push(open);
    if (ends) open = '';
  }
  expect(open).toBe('');
  return found;
}

describe('the documents of a text', () => {
  it('are the whole text without a separator', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1 }), async (text) => {
        const unmarked = text.startsWith('\uFEFF') ? text.slice(1) : text;
        fc.pre(unmarked !== '');
        expect(await documents(text)).toEqual([unmarked]);
      }),
      { seed: 1 },
    );
  });

  it('lose the separator and surrounding white space; empty ones are skipped', async () => {
    const text = '\none\n<|end|>\n\n two <|end|><|end|>three<|end|>\n';
    expect(await documents(text, { separator: '<|end|>' })).toEqual(['one', 'two', 'three']);
  });

  it('are separated by exactly as many line breaks as the separator has', async () => {
    const text = 'a\n\nb\nc\n\nd\ne\n\n\nf\n';
    expect(await documents(text, { separator: '\n' })).toEqual(['a\n\nb', 'c\n\nd', 'e\n\n\nf']);
    expect(await documents(text, { separator: '\n\n' })).toEqual(['a', 'b\nc', 'd\ne\n\n\nf']);
  });

  it('are separated by the line breaks of Windows, too', async () => {
    const text = 'a\r\n\r\nb\r\nc\r\n\r\nd\n\r\ne\r\n\r\n\r\nf\r\n';
    expect(await documents(text, { separator: '\n\n' })).toEqual(['a', 'b\r\nc', 'd', 'e\r\n\r\n\r\nf']);
    expect(await documents('a\r\n--\r\nb.c', { separator: '\n--\n' })).toEqual(['a', 'b.c']);
    expect(await documents('a.b.*c', { separator: '.*' })).toEqual(['a.b', 'c']);
    const long = `${'x'.repeat((1 << 20) - 1)}\r\n\r\n${'y'.repeat((1 << 20) - 1)}\r\n\r\nz`;
    expect((await documents(long, { separator: '\n\n' })).map(({ length }) => length)).toEqual([1048575, 1048575, 1]);
  });

  it('are complete if longer than one read', async () => {
    const long = 'Über die Wälder 😀 '.repeat(250_000);
    expect((await documents(long))[0] === long).toBe(true);
    const found = await documents(`a\n\n${long}\n\nb`, { separator: '\n\n' });
    expect(found.length).toBe(3);
    expect(found[1] === long.trim()).toBe(true);
    const unbroken = `x${'😀'.repeat(1_500_000)}`;
    expect((await documents(unbroken))[0] === unbroken).toBe(true);
  });

  it('are split before the space after a word', async () => {
    const text = 'some words '.repeat(300_000);
    const pieces: string[] = [];
    for await (const piece of textPieces(memorySource(new TextEncoder().encode(text)))) pieces.push(piece.text);
    expect(pieces.length).toBeGreaterThan(2);
    for (const piece of pieces.slice(1)) expect(piece).toMatch(/^ (words|some)/);
    expect(pieces.join('') === text).toBe(true);
  });

  it.each([
    ['no text', '', 'a.txt: contains no text: add some, or remove the file from the recipe'],
    ['separators only', ' \n\n \n\n', 'a.txt: contains no text'],
    ['another encoding', Uint8Array.of(0x61, 0xfc, 0x62), 'a.txt: byte 1 is not valid UTF-8: save the file as UTF-8'],
    ['half a character', Uint8Array.of(0x61, 0xe2, 0x82), 'a.txt: byte 2 is not valid UTF-8'],
  ])('of a file with %s throw an error with advice', async (_, text, message) => {
    const failed = documents(text, { separator: '\n\n' });
    await expect(failed).rejects.toThrow(FormatError);
    await expect(documents(text, { separator: '\n\n' })).rejects.toThrow(message);
  });

  it('of a large file report the offset of the invalid byte', async () => {
    const bytes = new TextEncoder().encode('ä'.repeat(1_500_000));
    bytes[2_100_001] = 0x41;
    await expect(documents(bytes)).rejects.toThrow('byte 2,100,001 is not valid UTF-8');
  });

  it('stop at an abort', async () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(documents('a', { signal })).rejects.toThrow('stopped');
  });
});
