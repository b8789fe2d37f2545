import { describe, expect, it } from 'vitest';
import { UnsupportedError } from '../core/errors.ts';
import { textParts } from './textParts.ts';
import { createTokenizer } from './tokenizer.ts';
import { trainByteLevelBpe } from './training/byteLevelBpe.ts';

const chat = 'User: Hi, ä 😀!\nBot: Hello ü.<|end|>\nUser: Bye\nBot: See you';
const spec = await trainByteLevelBpe([chat], { size: 270, special: ['<|end|>'] });
const tokenizer = createTokenizer(spec);
const rule = { after: 'Bot:', until: '<|end|>' };

/** Returns the selected text of a document in pieces. */
function counted(...pieces: string[]): string {
  const parts = textParts(rule, tokenizer);
  return pieces
    .map((text) => {
      const ids = tokenizer.encode(text, { addBos: false });
      const marks = parts.mark(text, ids);
      return tokenizer.decode(
        ids.filter((_, i) => marks[i]),
        { special: true },
      );
    })
    .join('|');
}

describe('the parts that count', () => {
  it('begin behind a text and end with another, or with the document', () => {
    expect(counted(chat)).toBe(' Hello ü.<|end|> See you');
    expect(counted('User: no reply')).toBe('');
  });

  it('go on in the next piece of the document', () => {
    expect(counted('Bot: a', ' b<|end|> c', ' Bot: d')).toBe(' a| b<|end|>| d');
  });

  it('are everything without a rule', () => {
    expect(textParts(undefined, tokenizer).mark('abc', [1, 2, 3])).toEqual([true, true, true]);
  });

  it('cannot be told where tokens are not the bytes of the text', () => {
    const upper = createTokenizer({ ...spec, normalizer: [{ type: 'form', form: 'NFKD' }] });
    const text = 'ä Bot: ä';
    expect(() => textParts(rule, upper).mark(text, upper.encode(text))).toThrow(UnsupportedError);
  });
});
