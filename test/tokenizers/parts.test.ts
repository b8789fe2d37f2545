/** Every kind of model and part of a tokenizer.json against Hugging Face's `tokenizers`: see makeHuggingFaceGolden.py. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { tokenizerFromHuggingFace } from '../../src/formats/tokenizerFromHuggingFace.ts';
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts';

interface Golden {
  readonly texts: readonly string[];
  readonly cases: readonly {
    readonly name: string;
    readonly tokenizer: unknown;
    /** Ids of a text with and without special tokens, their text; random ids, their text without and with special tokens. */
    readonly rows: readonly [number[], number[], string, number[], string, string][];
    /** Ids and types of two texts. */
    readonly pair: readonly [number[], number[]];
  }[];
}

const { texts, cases } = JSON.parse(
  gunzipSync(readFileSync(new URL('huggingFace.golden.gz', import.meta.url))).toString(),
) as Golden;
const plain = { addBos: false, addEos: false };

describe.each(cases)('a tokenizer of $name', ({ tokenizer: json, rows, pair }) => {
  const tokenizer = createTokenizer(tokenizerFromHuggingFace({ tokenizer: json }, 'tokenizer.json'));

  it('encodes as `tokenizers` does', () => {
    for (const [index, [ids, bare]] of rows.entries()) {
      expect(tokenizer.encode(texts[index]), texts[index]).toEqual(ids);
      expect(tokenizer.encode(texts[index], plain), texts[index]).toEqual(bare);
    }
    expect(tokenizer.encodePair('pears grow', 'on the wall')).toEqual({ ids: pair[0], types: pair[1] });
  });

  it('decodes as `tokenizers` does, at once and one by one', () => {
    for (const [ids, , text, chosen, hidden, shown] of rows) {
      expect(tokenizer.decode(ids)).toBe(text);
      expect(tokenizer.decode(chosen)).toBe(hidden);
      expect(tokenizer.decode(chosen, { special: true })).toBe(shown);
      const decoder = tokenizer.decoder();
      expect(chosen.map((id) => decoder.push(id)).join('') + decoder.flush()).toBe(hidden);
    }
  });
});

describe('hostile texts', () => {
  it.each(cases.filter((_, index) => index % 4 === 0))('take $name linear time', ({ tokenizer: json }) => {
    const tokenizer = createTokenizer(tokenizerFromHuggingFace({ tokenizer: json }, 'tokenizer.json'));
    for (const unit of ['a', ' ', '▁', '园', "'s", '<tool', '\u0301', 'a ', '\x00'])
      tokenizer.encode(unit.repeat(60_000));
  });
});
