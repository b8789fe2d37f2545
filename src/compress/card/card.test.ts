import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel, writeHuggingFaceModel } from '../../../scripts/models/index.ts';
import { quantize } from '../quantize.ts';
import { makeCard, refuseSameText, textFacts, writeCard } from './card.ts';
import { cardPage } from './cardPage.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-card-'));
const path = (name: string) => join(folder, name);
const source = path('source.gguf');
const calibration = { text: gardenText, window: 64, windows: 16 };

beforeAll(async () => {
  writeFileSync(source, await makeModel({ architecture: 'llama', format: 'F32' }));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a card', () => {
  it('has what was lost, the texts of both models, and what makes it again', async () => {
    const result = await quantize(source, path('card.gguf'), { type: 'Q4_0', calibration });
    const text = gardenText.slice(0, 3000);
    const options = {
      source,
      model: path('card.gguf'),
      stages: [{ name: 'quantize', result }],
      text,
      textName: 'garden.txt',
      maxTokens: 400,
    };
    const card = await makeCard({
      ...options,
      recipe: { type: 'Q4_0', like: undefined, calibration: textFacts('garden.txt', gardenText) },
    });
    expect(card.quality.model.kld!.mean).toBeGreaterThan(0);
    expect(card.prompts).toHaveLength(20);
    expect(card.model.sha256).toBe(
      createHash('sha256')
        .update(readFileSync(path('card.gguf')))
        .digest('hex'),
    );
    const [json, html] = await writeCard(card, path('card.gguf'));
    expect(JSON.parse(readFileSync(json, 'utf8'))).toEqual(JSON.parse(JSON.stringify(card)));
    const page = readFileSync(html, 'utf8');
    for (const part of [
      'blk.0.attn_q.weight',
      'garden.txt',
      card.model.sha256,
      'obs',
      'weighted',
      'the format of Q4_0',
    ])
      expect(page).toContain(part);
    expect(page).not.toMatch(/<script/);
  });
});

it('a card refuses a model of another vocabulary', async () => {
  const dimensions = { vocabulary: 384 };
  writeFileSync(path('other-words.gguf'), await makeModel({ architecture: 'llama', format: 'F32', dimensions }));
  const options = { source, model: path('other-words.gguf'), stages: [], recipe: {}, text: gardenText, textName: 'a' };
  await expect(makeCard(options)).rejects.toThrow(/vocabulary of the reference model is \d+, expected \d+/);
});

it('a card of a model from a folder has the fingerprint of its tensors', async () => {
  await writeHuggingFaceModel(path('folder'), { architecture: 'smollm2', format: 'BF16' });
  const result = await quantize(path('folder'), path('folder.gguf'), { type: 'Q8_0' });
  const stages = [{ name: 'quantize', result }];
  const options = { model: path('folder.gguf'), stages, recipe: {}, text: gardenText.slice(0, 3000), textName: 'a' };
  const card = await makeCard({ source: `${path('folder')}/`, maxTokens: 100, ...options });
  expect(card.source).toEqual({ name: 'folder', bytes: expect.any(Number), fingerprint: expect.any(String) });
  expect(cardPage(card)).toContain(`folder, fingerprint ${card.source.fingerprint}`);
});

it('a card refuses a text that is one of the calibration texts', () => {
  const refused = /card is the calibration text, expected another text/;
  for (const text of ['a tree\n', 'a tree\nand a rose'])
    for (const joined of [text, `written\n${text}`, `${text}\nwritten`, `written\n${text}\nmore`])
      expect(() => refuseSameText(text, joined)).toThrow(refused);
  for (const [text, calibration] of [
    ['a tree', 'a trees\nno a tree'],
    ['', 'a'],
    ['a', undefined],
    [undefined, 'a'],
  ] as const)
    refuseSameText(text, calibration);
});
