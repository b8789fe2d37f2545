/** Vocabularies of GGUF files against llama.cpp's own ids for them. */
import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts';
import { ggufNames, ggufPath, ggufSpec, pairs } from './vocabularies.ts';

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
