import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FormatError } from '../core/errors.ts';
import { ggufBytes } from '../formats/gguf/write.ts';
import { tokenizerToGguf } from '../formats/tokenizerToGguf.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { recipeDataset, recipeSchedule, recipeTokenizer } from './fromRecipe.ts';
import { readRecipe } from './recipe/readRecipe.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-recipe-'));
  await writeFile(join(folder, 'a.txt'), 'one tree\n\ntwo trees\n\nthree trees\n\nfour trees\n');
  await writeFile(join(folder, 'b.txt'), 'ä!');
});
afterAll(() => rm(folder, { recursive: true }));

async function recipe(changes: object = {}) {
  const path = join(folder, 'recipe.json');
  const data = { sources: [{ path: 'a.txt' }], sequence: 4, batch: 2, cache: 'cache' };
  const model = { architecture: 'llama', layers: 1, width: 256, heads: 4 };
  await writeFile(path, JSON.stringify({ model, tokenizer: { size: 270 }, data, steps: 100, ...changes }));
  return (await readRecipe(path)).recipe;
}

describe('from a recipe', () => {
  it('trains a tokenizer on the texts and makes batches of them', async () => {
    const read = await recipe();
    const tokenizer = await recipeTokenizer(read);
    expect(tokenizer.tokens).toHaveLength(270);
    expect(tokenizer.tokens[0]).toBe('<|endoftext|>');
    const short = recipeDataset(read, tokenizer);
    await expect(short).rejects.toThrow(/a\.txt: has \d tokens, but a sequence of 4 needs 5/);
    const sources = [{ path: 'a.txt' }];
    const all = { sources, heldOut: { fraction: 0 }, sequence: 4, batch: 2, cache: 'cache' };
    const data = await recipeDataset(await recipe({ data: all }), tokenizer);
    expect((await data.batch(0)).tokens).toHaveLength(8);
    expect(data.heldOut).toHaveLength(0);
  });

  it('makes a tokenizer of all characters, including the held-out ones', async () => {
    const sources = [{ path: 'a.txt', separator: '\n\n' }];
    const heldOut = { sources: [{ path: 'b.txt' }] };
    const read = await recipe({
      tokenizer: { characters: true },
      data: { sources, heldOut, sequence: 1, cache: 'cache' },
    });
    const tokenizer = await recipeTokenizer(read);
    expect(tokenizer.tokens).toHaveLength(new Set('one two three four trees ä!').size);
    const data = await recipeDataset(read, tokenizer);
    const { tokens } = await data.heldOut[0].batches.at(0);
    expect(createTokenizer(tokenizer).decode(tokens.subarray(0, 1))).toBe('ä');
  });

  it('reads the tokenizer of a file, or reports that it has none', async () => {
    const trained = await recipeTokenizer(await recipe());
    const write = async (file: string, metadata: Parameters<typeof ggufBytes>[0]['metadata']) =>
      writeFile(join(folder, file), await ggufBytes({ metadata, tensors: [] }));
    await write('with.gguf', tokenizerToGguf(trained));
    await write('without.gguf', [['general.architecture', 'llama']]);
    const found = await recipeTokenizer(await recipe({ tokenizer: { file: 'with.gguf' } }));
    expect(found.merges).toEqual(trained.merges);
    const start = await recipe({ model: { start: 'without.gguf' }, tokenizer: undefined });
    await expect(recipeTokenizer(start)).rejects.toThrow(FormatError);
    await expect(recipeTokenizer(start)).rejects.toThrow('has no tokenizer: name another file');
  });

  it('makes a schedule that ends at a tenth of the learning rate by default', async () => {
    expect(recipeSchedule(await recipe())).toEqual({
      learningRate: 1e-3,
      minimumLearningRate: 1e-4,
      warmup: 100,
      steps: 100,
    });
    const constant = await recipe({ optimizer: { learningRate: 0.5, minimumLearningRate: 0.5, warmup: 0 } });
    expect(recipeSchedule(constant).minimumLearningRate).toBe(0.5);
  });
});
