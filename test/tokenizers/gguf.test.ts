/** Compares token ids of GGUF vocabularies with llama.cpp. */
import { describe, expect, it } from 'vitest';
import { tokenizerFromGguf } from '../../src/formats/tokenizerFromGguf.ts';
import { preTokenizers } from '../../src/tokenizer/preTokenizers.ts';
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts';
import { gemma4Vocabulary, ggufNames, ggufPath, ggufSpec, golden, pairs } from './vocabularies.ts';

describe.each(ggufNames)('the %s vocabulary', (name) => {
  const path = ggufPath(name);

  it.skipIf(path === undefined)('encodes every text as llama.cpp does', async () => {
    const tokenizer = createTokenizer(await ggufSpec(path!));
    const cases = pairs(name);
    expect(cases.length).toBeGreaterThan(40);
    for (const { text, ids } of cases) {
      expect(tokenizer.encode(text, { addBos: false, addEos: false, special: false }), text).toEqual(ids);
      expect(tokenizer.encode(text, { addBos: false, addEos: false }), text).toEqual(ids);
    }
  });
});

it('encodes with a vocabulary of the kind gemma4 as llama.cpp does', () => {
  const metadata = new Map<string, unknown>(Object.entries(gemma4Vocabulary()));
  const tokenizer = createTokenizer(tokenizerFromGguf(metadata, 'gemma4'));
  const { texts, gemma4 } = golden();
  for (const [i, text] of texts.entries()) {
    const ids = tokenizer.encode(text, { addBos: false });
    expect(ids, text).toEqual(gemma4[i]);
    expect(tokenizer.encode('a')[0]).toBe(2);
  }
  expect(tokenizer.decode(tokenizer.encode('Hello  world\n\né 中文 ☃', { addBos: false }))).toBe(
    'Hello  world\n\né 中文 ☃',
  );
});

describe('every pre-tokenizer', () => {
  const path = ggufPath('gpt-2');

  it.skipIf(path === undefined)('splits as llama.cpp does', async () => {
    const { texts, splits } = golden();
    const spec = await ggufSpec(path!);
    expect(Object.keys(splits).sort()).toEqual([...preTokenizers.keys()].sort());
    const encoded = new Map<unknown, number[][]>();
    for (const [name, entry] of preTokenizers) {
      if (!encoded.has(entry)) {
        const tokenizer = createTokenizer({ ...spec, preTokenizer: name });
        encoded.set(
          entry,
          texts.map((text) => tokenizer.encode(text, { addBos: false })),
        );
      }
      expect(encoded.get(entry), name).toEqual(splits[name]);
    }
  });
});
