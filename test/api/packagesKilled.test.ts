/**
 * kill -9 at random moments of installing, updating, rolling back and collecting: afterwards one version or the other is whole.
 * ESPALIER_KILLS=200 kills more often; that takes a minute on an idle machine.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { seededRandom } from '../../src/core/random.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { folderPublication, openComponent, openStore, publish } from '../../src/package/index.ts';

const KILLS = Number(process.env.ESPALIER_KILLS ?? 40);
const folder = mkdtempSync(join(tmpdir(), 'espalier-killed-'));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));
const versions: Buffer[] = [];

/** Changes packages in a loop until it is killed, or pulls once. argv: folder of sites and store, 'loop' or 'once' */
const script = at('child.mjs');
writeFileSync(
  script,
  `import { openRemote, openStore, pull } from ${JSON.stringify(new URL('../../dist/package/index.js', import.meta.url).href)};
const [folder, mode] = process.argv.slice(2);
const store = openStore(folder + '/store');
const [first, second] = await Promise.all([1, 2].map((version) => openRemote(folder + '/site' + version)));
if (mode === 'once') {
  const { changed } = await pull(store, second);
  console.log(changed);
} else {
  process.stdout.write('ready');
  for (;;) {
    await pull(store, first);
    await pull(store, second, { probe: async () => {} });
    await store.changing('tiny', () => store.rollback('tiny'));
    await store.collect();
  }
}
`,
);

beforeAll(async () => {
  const first = await makeModel({ architecture: 'llama', format: 'Q4_0' });
  const second = first.slice();
  for (let i = 0; i < 5000; i++) second[second.length - 100 - 7 * i]! ^= 1;
  for (const [i, model] of [first, second].entries()) {
    versions.push(Buffer.from(model));
    // the second site has the update from the first version
    for (const site of i === 0 ? ['site1', 'site2'] : ['site2']) {
      const component = { role: 'base', fileName: 'tiny.gguf', source: memorySource(model) };
      await publish(await folderPublication(at(site)), [component], { name: 'tiny', version: String(i + 1) });
    }
  }
});

function start(mode: string): ChildProcess {
  return spawn(process.execPath, [script, folder, mode], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function checkStore(): Promise<boolean> {
  const store = openStore(at('store'));
  if (!(await store.current('tiny'))) return false;
  const source = await openComponent(store, 'tiny');
  const bytes = Buffer.alloc(source.size);
  await source.read(0, bytes.length, bytes);
  await source.close();
  expect(versions.some((version) => version.equals(bytes))).toBe(true);
  return true;
}

it('has one version or the other, whole, after each', async () => {
  const random = seededRandom(9);
  let installed = 0;
  for (let i = 0; i < KILLS; i++) {
    const child = start('loop');
    let errors = '';
    child.stderr!.on('data', (text) => (errors += text));
    const closed = new Promise((resolve) => child.once('close', resolve));
    await Promise.race([new Promise((resolve) => child.stdout!.once('data', resolve)), closed]);
    await new Promise((resolve) => setTimeout(resolve, random.integer(120)));
    child.kill('SIGKILL');
    await closed;
    expect(errors).toBe('');
    if (await checkStore()) installed++;
    else expect(installed).toBe(0);
  }
  expect(installed).toBeGreaterThan(KILLS / 2);
}, 300_000);

it('two processes at once: one changes the package, the other waits', async () => {
  rmSync(at('store'), { recursive: true, force: true });
  const outputs = await Promise.all(
    [start('once'), start('once')].map(
      (child) =>
        new Promise<string>((resolve) => {
          let text = '';
          child.stdout!.on('data', (part) => (text += part));
          child.stderr!.on('data', (part) => (text += part));
          child.once('close', () => resolve(text.trim()));
        }),
    ),
  );
  expect(outputs.sort()).toEqual(['false', 'true']);
  expect(await checkStore()).toBe(true);
}, 60_000);
