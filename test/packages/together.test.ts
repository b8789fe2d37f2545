/** Several real processes that change one store at the same time. */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { folderPublication, openRemote, openStore, pull } from '../../src/package/index.ts';
import { installedBytes, isSame, PACKAGE, publishModel, smallModel } from './versions.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-together-'));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));
const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const script = fileURLToPath(new URL('pullOnce.mjs', import.meta.url));

interface Pulled {
  readonly version: string;
  readonly changed: boolean;
}

/** Starts a process that waits. @returns a function that lets it pull */
async function waiting(): Promise<() => Promise<Pulled>> {
  const child = fork(script, [at('store'), dist, at('site')], { execArgv: [] });
  const next = () =>
    new Promise<unknown>((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', (status) => reject(new Error(`the process ended with status ${status}`)));
    });
  expect(await next()).toBe('ready');
  return () => {
    const answer = next();
    child.send('go');
    return answer as Promise<Pulled>;
  };
}

it('one updates, the others wait and find it done; what a reader holds stays', async () => {
  const [first, second] = [await smallModel(0), await smallModel(0.01)];
  const site = await folderPublication(at('site'));
  await publishModel(site, '1', first);
  const store = openStore(at('store'));
  await pull(store, await openRemote(at('site')));
  const { generation } = (await store.current(PACKAGE))!;
  const release = await store.hold(generation);
  await publishModel(site, '2', second);

  const processes = await Promise.all([waiting(), waiting(), waiting()]);
  const results = await Promise.all(processes.map((go) => go()));
  expect(results.map(({ version }) => version)).toEqual(['2', '2', '2']);
  expect(results.filter(({ changed }) => changed)).toHaveLength(1);
  expect(isSame(await installedBytes(openStore(at('store'))), second)).toBe(true);
  await openStore(at('store')).collect();
  expect(await store.damaged(generation)).toEqual([]);
  await release();
}, 60_000);
