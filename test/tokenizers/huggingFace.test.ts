/** Compares token ids of tokenizer.json files with llama.cpp. */
import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts';
import { golden, huggingFacePath, huggingFaceSpec, pairs } from './vocabularies.ts';

const plain = { addBos: false, addEos: false };

describe.each([
  ['gpt2', 'gpt-2'],
  ['phi3', 'phi-3'],
])('%s/tokenizer.json', (folder, vocabulary) => {
  const path = huggingFacePath(folder);

  it.skipIf(path === undefined)('gives the ids of the same vocabulary in GGUF', () => {
    const tokenizer = createTokenizer(huggingFaceSpec(path!));
    const cases = pairs(vocabulary);
    expect(cases.length).toBeGreaterThan(40);
    for (const { text, ids } of cases) expect(tokenizer.encode(text, plain), text).toEqual(ids);
  });
});

describe('smollm/tokenizer.json', () => {
  const path = huggingFacePath('smollm');

  it.skipIf(path === undefined)('gives the ids that llama.cpp gives for its vocabulary', () => {
    const tokenizer = createTokenizer(huggingFaceSpec(path!));
    const { texts, smollm, smollmPairs } = golden();
    texts.forEach((text, index) => {
      expect(tokenizer.encode(text, plain), text).toEqual(smollm[index]);
    });
    pairs('gpt-2').forEach(({ text }, index) => {
      expect(tokenizer.encode(text, plain), text).toEqual(smollmPairs[index]);
    });
  });
});
