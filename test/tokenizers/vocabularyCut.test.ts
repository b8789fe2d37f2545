/** Vocabularies of published models, cut: texts whose tokens are kept have the same tokens as before, and every text can be encoded. */
import { expect, it } from 'vitest';
import { gardenText } from '../../scripts/models/index.ts';
import { vocabularyCut } from '../../src/compress/prune/vocabularyCut.ts';
import { seededRandom } from '../../src/core/random.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { tokenizerFromGguf } from '../../src/formats/tokenizerFromGguf.ts';
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts';
import { sharedData } from '../sharedData.ts';

const fileOf = (name: string) => sharedData(`tokenizers/llama.cpp-vocabs/ggml-vocab-${name}.gguf`);
const names = ['gpt-2', 'llama-spm', 'deepseek-coder'];

it.skipIf(names.some((name) => fileOf(name) === undefined)).each(names)('the vocabulary of %s', async (name) => {
  const checkpoint = await openCheckpoint(fileOf(name)!);
  const { kept, before, metadata } = vocabularyCut(checkpoint, gardenText);
  expect(kept.length).toBeLessThan(before / 5);
  const whole = createTokenizer(checkpoint.tokenizer!);
  const cut = createTokenizer(tokenizerFromGguf(metadata, name));
  await checkpoint.close();
  const newIds = new Map(Array.from(kept, (old, id) => [old, id]));
  const random = seededRandom(7);
  let compared = 0;
  for (let i = 0; i < 500; i++) {
    const at = random.integer(gardenText.length - 60);
    // pieces of words, too
    const sample = gardenText.slice(at, at + 1 + random.integer(60)) + (i % 5 === 0 ? ' Zürich 東京 🌲 0x7f' : '');
    const [own, found] = [whole.encode(sample), cut.encode(sample)];
    expect(cut.decode(found)).toBe(whole.decode(own));
    if (!own.every((id) => newIds.has(id))) continue;
    compared++;
    expect(found).toEqual(own.map((id) => newIds.get(id)));
  }
  expect(compared).toBeGreaterThan(200);
});
