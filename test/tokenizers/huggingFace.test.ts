/** tokenizer.json files against the ids of llama.cpp, and of others, for the same vocabularies. */
import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts';
import { sharedData } from '../sharedData.ts';
import { huggingFaceSpec, pairs } from './vocabularies.ts';

const plain = { addBos: false, addEos: false };

describe.each([
  ['gpt2', 'gpt-2'],
  ['phi3', 'phi-3'],
])('%s/tokenizer.json', (folder, vocabulary) => {
  const path = sharedData(`tokenizers/${folder}/tokenizer.json`);

  it.skipIf(path === undefined)('gives the ids of the same vocabulary in GGUF', () => {
    const tokenizer = createTokenizer(huggingFaceSpec(path!));
    for (const { text, ids } of pairs(vocabulary)) expect(tokenizer.encode(text, plain), text).toEqual(ids);
  });
});
