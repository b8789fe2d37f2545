import { expect, it } from 'vitest';
import { gardenText, makeModel } from '../../scripts/models/index.ts';
import { joinTexts } from './joinTexts.ts';
import { sampleText } from './sampleText.ts';

const files: Readonly<Record<string, string>> = { 'a.txt': gardenText.slice(0, 500), 'b.txt': gardenText.slice(500) };
const options = { read: async (path: string) => files[path], window: 16, windows: 6, threads: 1 };

it('joins files, and the text that the model writes, which has half of the windows beside them', async () => {
  const source = await makeModel({ architecture: 'llama', format: 'F32' });
  const own = (windows: number) => sampleText(source, { window: 16, windows, threads: 1 });
  expect(await joinTexts(source, ['a.txt'], options)).toBe(files['a.txt']);
  expect(await joinTexts(source, ['a.txt', 'b.txt'], options)).toBe(`${files['a.txt']}\n${files['b.txt']}`);
  expect(await joinTexts(source, ['self'], options)).toBe(await own(6));
  expect(await joinTexts(source, ['a.txt', 'self'], options)).toBe(`${await own(3)}\n${files['a.txt']}`);
  await expect(joinTexts(source, ['a.txt', 'a.txt'], options)).rejects.toThrow(
    /calibration texts is a\.txt, twice, expected each text once/,
  );
});
