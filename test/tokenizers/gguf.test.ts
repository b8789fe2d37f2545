/** Vocabularies of GGUF files against llama.cpp's own ids for them. */
import { describe, expect, it } from 'vitest';
import { preTokenizers } from '../../src/tokenizer/preTokenizers.ts';
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts';
import { ggufNames, ggufPath, ggufSpec, golden, pairs } from './vocabularies.ts';

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

describe('a pre-tokenizer', () => {
  const path = ggufPath('gpt-2');

  it.skipIf(path === undefined).each([...preTokenizers.keys()])('%s splits as llama.cpp does', async (name) => {
    const { texts, splits } = golden();
    const tokenizer = createTokenizer({ ...(await ggufSpec(path!)), preTokenizer: name });
    texts.forEach((text, index) => {
      expect(tokenizer.encode(text, { addBos: false }), text).toEqual(splits[name][index]);
    });
  });
});
