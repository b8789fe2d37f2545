/** Packages through the command line, from a folder and from a file server. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { memorySink } from '../../src/formats/byteSink.ts';
import { writeGguf } from '../../src/formats/gguf/write.ts';
import { inspect } from '../../src/index.ts';
import { adapterContents } from '../../src/models/adapter.ts';
import { espalier, json } from './espalier.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-package-'));
const [site, store, model] = ['site', 'store', 'model.gguf'].map((name) => join(folder, name)) as [
  string,
  string,
  string,
];
const pack = (version: string) =>
  json(['package', 'pack', site, '--name', 'tiny', '--as', version, '--component', `base=${model}`]);
const pull = (...more: string[]) => json(['package', 'pull', site, '--store', store, ...more]);

beforeAll(async () => {
  writeFileSync(model, await makeModel({ architecture: 'llama', format: 'Q8_0' }));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Changes some codes of the last tensor. */
function changeModel(): void {
  const bytes = readFileSync(model);
  for (let i = 0; i < 2000; i += 34) bytes[bytes.length - 10 - i] ^= 1;
  writeFileSync(model, bytes);
}

it('packs, installs, updates, exports, rolls back and collects', async () => {
  const first = readFileSync(model);
  await pack('1.0.0');
  expect(await pull('--dry-run')).toMatchObject({ changed: false, fetchBytes: expect.any(Number) });
  expect(await pull()).toMatchObject({ name: 'tiny', version: '1.0.0', changed: true });
  changeModel();
  expect(Object.keys((await pack('1.0.1')).updates as object)).toHaveLength(1);
  const refused = await espalier(['package', 'pull', site, '--store', store, '--max-bytes', '10']);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/needs [\d,]+ bytes but at most 10/) });
  expect(await pull()).toMatchObject({ version: '1.0.1', pieces: { delta: 1, whole: 0 } });
  expect(await pull()).toMatchObject({ changed: false });
  const exported = join(folder, 'exported.gguf');
  await json(['package', 'export', 'tiny', exported, '--store', store]);
  expect(Buffer.compare(readFileSync(exported), readFileSync(model))).toBe(0);
  expect(await json(['package', 'rollback', 'tiny', '--store', store])).toMatchObject({ version: '1.0.0' });
  await json(['package', 'export', 'tiny', exported, '--store', store]);
  expect(Buffer.compare(readFileSync(exported), first)).toBe(0);
  const { stdout } = await espalier(['package', 'list', '--store', store]);
  expect(stdout).toMatch(/tiny +1\.0\.0/);
  expect(await json(['package', 'gc', '--store', store])).toEqual({ freed: 0 });
});

it('merges an adapter into a model, and devices that have both fetch nothing of it', async () => {
  const [base, adapter, merged, place] = ['base.gguf', 'adapter.gguf', 'merged.gguf', 'merging'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  writeFileSync(base, await makeModel({ architecture: 'llama', format: 'Q8_0' }));
  const { tensors } = await inspect(base);
  const [outputs, inputs] = tensors.find(({ name }) => name === 'blk.0.attn_q.weight')!.shape as [number, number];
  const factors = new Map([
    [
      'blk.0.attn_q.weight',
      { rank: 2, a: new Float32Array(2 * inputs).fill(0.1), b: new Float32Array(2 * outputs).fill(0.2) },
    ],
  ]);
  const sink = memorySink();
  await writeGguf(sink, adapterContents({ architecture: 'llama', alpha: 4, factors }, 'adapter'));
  writeFileSync(adapter, sink.bytes());
  await json(['package', 'merge', base, adapter, merged]);
  expect(readFileSync(merged).length).toBe(readFileSync(base).length);
  const site = join(folder, 'merged-site');
  const packMerged = (version: string, ...components: string[]) =>
    json(['package', 'pack', site, '--name', 'm', '--as', version, '--component', ...components]);
  const install = ['package', 'pull', site, '--store', place, '--no-probe'];
  await packMerged('1', `base=${base}`, '--component', `adapter/a=${adapter}`);
  await json(install);
  await packMerged('2', `base=${merged}`);
  expect(await json(install)).toMatchObject({ version: '2', pieces: { derive: 1, delta: 0, whole: 0 } });
  const derivations = [{ from: '1', to: '2', pieces: 1 }];
  expect(await json(['verify', site, '--derivation'])).toMatchObject({ derivations });
});

it('signs a package, and installs nothing else from there', async () => {
  const [keys, signed, mine] = [join(folder, 'keys'), join(folder, 'signed'), join(folder, 'signed-store')];
  const packSigned = (version: string) =>
    json(['package', 'pack', signed, '--name', 'tiny', '--as', version, '--component', `base=${model}`]);
  await packSigned('1.0.0');
  const unsigned = await espalier(['package', 'verify', signed]);
  expect(unsigned).toMatchObject({ code: 1, stderr: expect.stringContaining('is not signed') });
  await json(['package', 'keys', 'create', keys]);
  expect((await espalier(['package', 'keys', 'create', keys])).stderr).toContain('never overwritten');
  expect(await json(['package', 'sign', signed, '--keys', keys])).toMatchObject({ version: '1.0.0', root: 1 });
  const pins = ['--root', join(signed, 'trust/1.root.json'), '--public-key', join(keys, 'targets.pub')];
  expect(await json(['package', 'verify', signed, ...pins])).toMatchObject({ by: ['tuf', 'signature'] });
  const install = ['package', 'pull', signed, '--store', mine];
  expect(await json([...install, ...pins])).toMatchObject({ version: '1.0.0', changed: true });
  changeModel();
  await packSigned('1.0.1');
  expect(await json(install)).toMatchObject({ version: '1.0.0', changed: false });
  await json(['package', 'keys', 'rotate', keys, '--site', signed, '--role', 'root', 'timestamp']);
  await json(['package', 'sign', signed, '--keys', keys]);
  expect(await json(install)).toMatchObject({ version: '1.0.1', changed: true });
  rmSync(join(signed, 'trust/timestamp.json'));
  expect(await espalier(install)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('timestamp.json is missing'),
  });
});

it('names what is wrong', async () => {
  const wrong = await espalier(['package', 'pack', site, '--name', 'x', '--as', '1', '--component', 'model.gguf']);
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('Expected ROLE=FILE') });
  const role = await espalier(['package', 'pack', site, '--name', 'x', '--as', '1', '--component', `../x=${model}`]);
  expect(role.stderr).toContain('expected a role');
  const absent = await espalier(['package', 'rollback', 'nothing', '--store', store]);
  expect(absent).toMatchObject({ code: 1, stderr: expect.stringContaining('no earlier generation of nothing') });
});
