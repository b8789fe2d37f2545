/** `espalier device`: what it prints, and its errors. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { createProgram } from '../../src/cli/program.ts';

let folder: string;
let model: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-device-'));
  model = join(folder, 'model.gguf');
  await writeFile(model, await makeModel({ architecture: 'llama', format: 'Q8_0' }));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the command in this process. @returns what it prints */
async function printed(...args: readonly string[]): Promise<string> {
  const written: string[] = [];
  const { write } = process.stdout;
  process.stdout.write = ((text: string) => written.push(text) > 0) as typeof write;
  try {
    await createProgram().parseAsync(['node', 'espalier', 'device', ...args]);
  } finally {
    process.stdout.write = write;
  }
  return written.join('');
}

it('shows every signal with its source, or that it is unknown', async () => {
  const text = await printed();
  for (const name of ['temperature', 'battery', 'pressure', 'waiting tasks', 'stolen time', 'power'])
    expect(text).toMatch(new RegExp(`^${name} +(unknown|.+\\[.+\\])$`, 'm'));
  const { signals, engine } = JSON.parse(await printed('--json')) as { signals: object; engine: string };
  expect(engine).toContain(process.version);
  expect(signals).toHaveProperty('at');
});

it('predicts a model for a device that is only described', async () => {
  const text = await printed('--what-if', 'recipes/devices/rk3588.json', '--model', model);
  expect(text).toMatch(/decode +\d+ tokens\/s, between \d+ and \d+; overhead takes most of the time/);
  expect(text).toMatch(/energy +unknown: /);
});

it('says how every energy was obtained, with bounds, in JSON too', async () => {
  const device = JSON.parse(await readFile('recipes/devices/rk3588.json', 'utf8')) as object;
  const figure = (value: number) => ({ value, from: 'assumed' });
  const { memory } = device as { memory: object };
  const told = { ...device, memory: { ...memory, joulesPerByte: figure(5e-11) } };
  const file = join(folder, 'frugal.json');
  await writeFile(file, JSON.stringify({ ...told, joulesPerMultiplyAdd: figure(1e-13), idleWatts: figure(1) }));
  const whatIf = ['--what-if', file, '--model', model];
  const origin = 'multiply-adds \\(assumed\\), bytes \\(assumed\\), time at idle power \\(assumed\\)';
  expect(await printed(...whatIf)).toMatch(
    new RegExp(`energy +\\S+ J per token, between \\S+ and \\S+ +\\[model: .*${origin}`),
  );
  const { joules } = JSON.parse(await printed(...whatIf, '--json')) as { joules: object };
  expect(joules).toMatchObject({ method: 'model', note: expect.stringMatching(origin), low: expect.any(Number) });
});

it('refuses options that have no effect beside others', async () => {
  const whatIf = ['--what-if', 'recipes/devices/rk3588.json', '--model', model];
  await expect(printed(...whatIf, '--measure')).rejects.toThrow(/--measure is true, expected nothing beside --what-if/);
  await expect(printed(...whatIf, '--format', 'Q4_0')).rejects.toThrow(/--format is Q4_0/);
  await expect(printed('--golden', join(folder, 'none.json'), '--json')).rejects.toThrow(/--json is true/);
});

it('says what is missing', async () => {
  await expect(printed('--what-if', 'recipes/devices/rk3588.json')).rejects.toThrow(/--model is .*missing/);
  await expect(printed('--what-if', join(folder, 'none.json'), '--model', model)).rejects.toThrow(
    /none.json: no such file/,
  );
  await writeFile(join(folder, 'chip.json'), '{"version":1}');
  await expect(printed('--what-if', join(folder, 'chip.json'), '--model', model)).rejects.toThrow(/chip.json: name: /);
});
