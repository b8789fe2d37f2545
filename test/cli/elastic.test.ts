/** `sort-neurons`, `quantize --nested`, and the options that read such files. */
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { gardenText } from '../../scripts/models/index.ts';
import { espalier, json, scratchFolder, writeTinyModel } from './espalier.ts';

let folder: Awaited<ReturnType<typeof scratchFolder>>;
let model: string;
beforeAll(async () => {
  folder = await scratchFolder();
  model = await writeTinyModel(folder.path('tiny.gguf'), { format: 'F32' });
  await writeFile(folder.path('garden.txt'), gardenText);
});
afterAll(() => folder.remove());

test('narrower models and nested bits in one file, read as wanted', async () => {
  const [sorted, nested] = [folder.path('sorted.gguf'), folder.path('nested.gguf')];
  const calibrated = ['--calibrate', folder.path('garden.txt'), '--window', '64', '--windows', '8'];
  const { widths } = await json(['sort-neurons', model, sorted, '--widths', '0.5', ...calibrated]);
  expect(widths).toHaveLength(2);
  const { tensors } = await json(['quantize', sorted, nested, '--type', 'Q4_0', '--nested']);
  expect(tensors).toContainEqual(expect.objectContaining({ name: 'blk.0.ffn_up.weight', hasLowPlane: true }));
  const texts = new Set<unknown>();
  for (const options of [[], ['--bits', '4'], ['--width', '0.5'], ['--bits', '4', '--width', '0.5']])
    texts.add((await json(['run', nested, 'In spring', '-n', '32', ...options])).text);
  expect(texts.size).toBeGreaterThan(1);
});

test('what a file does not have is refused', async () => {
  const { code, stderr } = await espalier(['run', model, 'In spring', '--bits', '4']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/bits is 4, expected nothing for .*tiny.gguf, which has no nested bits/);
  const narrow = await espalier(['run', model, 'In spring', '--width', '0.5']);
  expect(narrow.stderr).toMatch(/width is 0.5, expected nothing for .*tiny.gguf, which has no nested widths/);
});
