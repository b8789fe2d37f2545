/** `quantize --tune`: the output is tuned or not there, and a run that was killed continues. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { gardenText } from '../../scripts/models/index.ts';
import { espalier, json, scratchFolder, writeTinyModel } from './espalier.ts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
let folder: Awaited<ReturnType<typeof scratchFolder>>;
let model: string;
beforeAll(async () => {
  folder = await scratchFolder();
  model = await writeTinyModel(folder.path('tiny.gguf'), { format: 'F32' });
  await writeFile(folder.path('garden.txt'), gardenText);
});
afterAll(() => folder.remove());

const calibrated = () => ['--calibrate', folder.path('garden.txt'), '--window', '32', '--windows', '16'];

test('a run that was killed while it tuned continues there', async () => {
  const output = folder.path('out.gguf');
  const stages = `${output}.stages`;
  const args = (steps: number) => [
    'quantize',
    model,
    output,
    '--type',
    'Q4_0',
    ...calibrated(),
    '--tune',
    String(steps),
  ];
  const child = spawn(process.execPath, [main, ...args(2000)], { stdio: 'ignore' });
  const isQuantized = () => existsSync(stages) && readdirSync(stages).some((name) => name.endsWith('.gguf.json'));
  const timer = setInterval(() => isQuantized() && child.kill('SIGKILL'), 20);
  await new Promise((done) => child.on('close', done));
  clearInterval(timer);
  expect(isQuantized()).toBe(true);
  expect(existsSync(output)).toBe(false);
  const [kept] = readdirSync(stages).filter((name) => name.endsWith('.gguf'));
  const quantized = readFileSync(`${stages}/${kept}`);
  const { tuned, tensors } = await json(args(3));
  expect(tuned).toMatchObject({ steps: 3, untrained: [] });
  expect((tensors as unknown[]).length).toBeGreaterThan(10);
  expect(readFileSync(output).length).toBe(quantized.length);
  expect(readdirSync(stages)).toEqual([]);
  await rm(output);
});

test('a dry run counts the time of tuning, too', async () => {
  const args = ['quantize', model, folder.path('dry.gguf'), '--type', 'Q4_0', ...calibrated(), '--dry-run'];
  const [alone, tuned] = [await json(args), await json([...args, '--tune', '200'])];
  expect(tuned.seconds).toBeGreaterThan(2 * (alone.seconds as number));
  expect(tuned.tensors).toEqual(alone.tensors);
  expect(existsSync(folder.path('dry.gguf'))).toBe(false);
});

test('matrices in codebook formats are named as not trained', async () => {
  const large = await writeTinyModel(folder.path('wide.gguf'), { format: 'F32', dimensions: { width: 256, ffn: 256 } });
  const args = ['quantize', large, folder.path('iq.gguf'), '--type', 'IQ3_S', '--pure', ...calibrated(), '--tune', '1'];
  const { stdout } = await espalier(args);
  expect(stdout).toMatch(/\d+ matrices in codebook formats were not trained/);
});

test.each([
  [['--window', '64'], /--window is 64, expected --calibrate to be set too/],
  [['--windows', '8'], /--windows is 8, expected --calibrate/],
  [['--card-tokens', '100'], /--card-tokens is 100, expected --card/],
  [['--tune', '10'], /--tune is 10, expected --calibrate/],
])('%o without the option that it needs is refused', async (options, message) => {
  const { code, stderr } = await espalier([
    'quantize',
    model,
    folder.path('refused.gguf'),
    '--type',
    'Q4_0',
    ...options,
  ]);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(message);
});

test.each([
  [['quantize', '--type', 'Q4_Z'], /Q4_Z is not supported/],
  [['quantize', '--type', 'Q4_K', '--keep-zeros'], /keepZeros is true, expected false/],
  [['quantize', '--target-bits', '1'], /targetBits is 1, expected at least/],
  [['prune', '--sparsity', '2'], /sparsity is 2, expected a share between 0 and 1/],
  [['prune', '--drop-layers', '40'], /layers is 40, expected 1 to/],
  [['prune', '--keep', '1'], /keep is 1, expected a share/],
])('%o is refused before the model writes a text', async ([command, ...options], message) => {
  // the text alone would take minutes
  const self = ['--calibrate', 'self', '--windows', '20000', '--window', '32'];
  const { code, stderr } = await espalier([command, model, folder.path('self.gguf'), ...options, ...self]);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(message);
});

test('a dry run does not let the model write a text', async () => {
  const args = ['quantize', model, folder.path('self.gguf'), '--type', 'Q4_0', '--dry-run'];
  const { tensors, seconds } = await json([...args, '--calibrate', 'self', '--windows', '20000', '--window', '32']);
  expect((tensors as unknown[]).length).toBeGreaterThan(10);
  expect(seconds).toBeGreaterThan(1);
});

test.each([
  ['--window', ['--drop-blocks', '0']],
  ['--windows', ['--sparsity', '0.5', '--method', 'magnitude']],
])('prune refuses %s with %o, which uses no text', async (name, options) => {
  const { code, stderr } = await espalier(['prune', model, folder.path('refused.gguf'), ...options, name, '8']);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(new RegExp(`${name} is 8, expected no value with ${options.at(-2)}`));
});

test('prune prints the paths of the card as JSON, too', async () => {
  await writeFile(folder.path('card.txt'), gardenText.slice(0, 900));
  const card = ['--card', folder.path('card.txt'), '--card-tokens', '100'];
  for (const how of [
    ['--sparsity', '0.5'],
    ['--drop-blocks', '0'],
  ]) {
    const found = await json(['prune', model, folder.path('pruned.gguf'), ...how, ...card]);
    expect(found.card).toEqual(['json', 'html'].map((end) => folder.path(`pruned.card.${end}`)));
  }
});

test('a text that is too short for tuning is refused before anything is written', async () => {
  const short = folder.path('short.txt');
  await writeFile(short, gardenText.slice(0, 900));
  const output = folder.path('short.gguf');
  const args = ['quantize', model, output, '--type', 'Q4_0', '--calibrate', short, '--window', '32', '--tune', '2'];
  const { code, stderr } = await espalier(args);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/the text is \d+ windows of 32 tokens long, expected at least 12/);
  expect(existsSync(output)).toBe(false);
  expect(existsSync(`${output}.stages`)).toBe(false);
});

test('a limit on the time of a token is predicted for a described device', async () => {
  const figure = (value: number) => ({ value, from: 'assumed' });
  const device = {
    ...{ version: 1, name: 'a plan' },
    unit: { clock: figure(1e9), multiplyAddsPerCycle: figure(100) },
    memory: { bytes: figure(1e9), bytesPerSecond: figure(1e8) },
  };
  await writeFile(folder.path('device.json'), JSON.stringify(device));
  const args = ['quantize', model, folder.path('dry.gguf'), ...calibrated(), '--dry-run'];
  const { decode } = await json([...args, '--max-ms', '12', '--device', folder.path('device.json')]);
  expect(decode).toMatchObject({ device: 'a plan', maxMs: 12 });
  expect((decode as { ms: number }).ms).toBeLessThanOrEqual(12);
  const refused = await espalier([...args, '--max-joules', '1', '--device', folder.path('device.json')]);
  expect(refused.stderr).toMatch(/maxJoules is 1, expected no value: nothing is known of the energy that a plan needs/);
  expect(refused.code).not.toBe(0);
});

test('prune --vocabulary removes tokens, and refuses what it does not use', async () => {
  const output = folder.path('fewer.gguf');
  await writeFile(folder.path('short.txt'), gardenText.slice(0, 600));
  const args = ['prune', model, output, '--vocabulary', 'used', '--calibrate', folder.path('short.txt')];
  const { tokens } = await json(args);
  const [before, after] = tokens as [number, number];
  expect(after).toBeLessThan(before);
  for (const [option, value] of [
    ['--window', '64'],
    ['--card', folder.path('garden.txt')],
    ['--keep', '0.5'],
  ]) {
    const { stderr, code } = await espalier([...args, option, value]);
    expect(code).not.toBe(0);
    expect(stderr).toContain('--vocabulary');
  }
  await rm(output);
});
