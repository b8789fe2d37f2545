/** `kill -9` for real, at random times, while a process installs, updates, rolls back and collects: a whole version is there afterwards. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { folderPublication, openStore } from '../../src/package/index.ts';
import { installedBytes, isSame, PACKAGE, publishModel, smallModel } from './versions.ts';

const KILLS = 200;
/** Longer than one round of the child on most machines, so that the kills fall on every part of it. */
const MOST_MILLISECONDS = 120;
/** Every so many children are killed after a whole round, so that all versions are installed on slow machines, too. */
const WHOLE_ROUND = 10;
const folder = mkdtempSync(join(tmpdir(), 'espalier-killed-'));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const script = fileURLToPath(new URL('changeForever.mjs', import.meta.url));
const sites = [1, 2, 3].map((version) => at(`site-${version}`));
const versions: Uint8Array[] = [];

/** Each site ends at another version, so that pulling from them in turn goes forth and back. */
beforeAll(async () => {
  for (let last = 1; last <= sites.length; last++) versions.push(await smallModel(0.01 * last));
  for (const [last, site] of sites.entries())
    for (let i = 0; i <= sites.length; i++) {
      const version = (last + 1 + i) % sites.length;
      await publishModel(await folderPublication(site), String(version), versions[version]);
    }
});

async function started(): Promise<ChildProcess> {
  const child = fork(script, [at('store'), dist, ...sites], { execArgv: [] });
  await said(child, 'ready');
  return child;
}

function said(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', (message) => message === word && resolve());
    child.once('exit', (status) => reject(new Error(`the child ended by itself, with status ${status}`)));
  });
}

it(`has a whole version after each of ${KILLS} kills`, async () => {
  const random = seededRandom(16);
  const seen = new Set<number>();
  let interrupted = 0;
  let next = started();
  for (let kill = 0; kill < KILLS; kill++) {
    const child = await next;
    // the next process starts while this one is killed and looked at; it changes nothing until it is told to
    next = kill + 1 < KILLS ? started() : next;
    const begun = said(child, kill % WHOLE_ROUND === 0 ? 'round' : 'begun');
    child.send(kill);
    await begun;
    await setTimeout(MOST_MILLISECONDS * random.uniform());
    const gone = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    child.kill('SIGKILL');
    expect(await gone).toBe('SIGKILL');
    const store = openStore(at('store'));
    const pointer = await store.current(PACKAGE);
    if (!pointer) {
      // only the very first installation may not be there yet
      expect(seen.size).toBe(0);
      continue;
    }
    if (pointer.trial) interrupted++;
    if (pointer.trial && pointer.previous === undefined) continue;
    const found = await installedBytes(store);
    const version = versions.findIndex((bytes) => isSame(bytes, found));
    expect(version).toBeGreaterThanOrEqual(0);
    seen.add(version);
    for (const kept of [pointer.generation, pointer.previous])
      if (kept !== undefined) await expect(store.damaged(kept)).resolves.toEqual([]);
  }
  console.log(`${KILLS} kills, ${interrupted} during a trial`);
  expect(seen.size).toBe(versions.length);
  // a minute, and several on a machine that is busy
}, 400_000);
