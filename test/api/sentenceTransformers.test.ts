/** Folders of sentence-transformers: their settings are done or refused by name. A tiny random model on the disk. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeEmbedderFolder } from '../../scripts/models/embedderFiles.ts';
import { embedderPlans } from '../../scripts/models/embedders.ts';
import { FormatError, inspect, load, OptionError, UnsupportedError } from '../../src/index.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-sentence-transformers-'));
  await writeEmbedderFolder(folder, embedderPlans.find(({ name }) => name === 'bert')!);
});
afterEach(() => rm(folder, { recursive: true }));

const opened = () => load(folder, { backend: 'reference' });
const write = (file: string, value: object) => writeFile(join(folder, file), JSON.stringify(value));
const change = async (file: string, fields: object) =>
  write(file, { ...JSON.parse(await readFile(join(folder, file), 'utf8')), ...fields });
const modules = (...types: readonly string[]) =>
  write(
    'modules.json',
    types.map((type, idx) => ({
      idx,
      name: `${idx}`,
      path: type.endsWith('Pooling') ? '1_Pooling' : '',
      type: type.includes('.') ? type : `sentence_transformers.models.${type}`,
    })),
  );

describe('modules', () => {
  it.each([
    ['of another package', ['Transformer', 'pylate.models.Dense.Dense'], /pylate\.models\.Dense\.Dense/],
    ['that are not known', ['Transformer', 'Pooling', 'LSTM'], /models\.LSTM/],
    ['without pooling', ['Transformer', 'Normalize'], /Transformer, Normalize/],
    ['with two poolings', ['Transformer', 'Pooling', 'Pooling'], /Pooling, Pooling/],
    ['in another order', ['Transformer', 'Normalize', 'Pooling'], /Transformer, Normalize, Pooling/],
  ])('%s are refused, and inspect reports them', async (_, types, message) => {
    await modules(...types);
    await expect(opened()).rejects.toThrow(UnsupportedError);
    await expect(opened()).rejects.toThrow(message);
    expect((await inspect(folder)).problems.join()).toMatch(message);
  });
});

describe('settings', () => {
  it('reads texts in lower case where the model says so', async () => {
    const text = 'THE Pear';
    await change('tokenizer.json', { normalizer: null });
    const cased = await (await opened()).embed(text);
    await change('sentence_bert_config.json', { do_lower_case: true });
    const model = await opened();
    expect(await model.embed(text)).toEqual(await model.embed('the pear'));
    expect(await model.embed(text)).not.toEqual(cased);
  });

  it.each([
    ['sentence_bert_config.json', { query_expansion: 32 }, /query_expansion/],
    ['1_Pooling/config.json', { head_count: 4 }, /head_count/],
    ['sentence_bert_config.json', { transformer_task: 'fill-mask' }, /fill-mask/],
  ])('of %s that are not read are refused: %j', async (file, fields, message) => {
    await change(file, fields);
    await expect(opened()).rejects.toThrow(message);
  });
});

describe('prompts', () => {
  const prompts = { prompts: { query: 'the ', document: 'a ' } };

  it('are taken by their name', async () => {
    await write('config_sentence_transformers.json', prompts);
    const model = await opened();
    expect(await model.embed('pear', { prompt: 'query' })).toEqual(await model.embed('the pear'));
    await expect(model.embed('pear', { prompt: 'question' })).rejects.toThrow(/query, document/);
    await expect(model.embed('pear', { prompt: 'question' })).rejects.toThrow(OptionError);
  });

  it('that do not exist cannot be the default', async () => {
    await write('config_sentence_transformers.json', { ...prompts, default_prompt_name: 'question' });
    await expect(opened()).rejects.toThrow(FormatError);
  });

  it.each(['mean', 'cls', 'last', 'max'] as const)('may not count: %s pooling of the other tokens', async (pooling) => {
    await write('config_sentence_transformers.json', prompts);
    const counted = await (await opened()).embed('pear', { prompt: 'query', pooling });
    await change('1_Pooling/config.json', { include_prompt: false });
    const model = await opened();
    const found = await model.embed('pear', { prompt: 'query', pooling });
    expect(Math.hypot(...found)).toBeCloseTo(1, 5);
    if (pooling === 'mean') expect(found).not.toEqual(counted);
    if (pooling === 'cls' || pooling === 'last') expect(found).toEqual(counted);
    // token ids get no prompt
    const ids = model.tokenizer.encode('pear');
    expect(await model.embed(ids, { prompt: 'query', pooling })).toEqual(await model.embed('pear', { pooling }));
    if (pooling === 'mean')
      await expect(model.embed('pear', { prefix: 'the '.repeat(100), pooling, truncate: 'end' })).rejects.toThrow(
        /pooling excludes/,
      );
  });
});
