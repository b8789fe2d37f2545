import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { deviceFiles } from '#leaf/formats/packages/deviceFiles';
import { typeScriptNode } from '../../../test/typeScriptNode.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-store-'));
afterAll(() => rmSync(folder, { recursive: true }));
const files = deviceFiles(folder);

it('writes, reads, lists and removes', async () => {
  expect(await files.size('pieces/ab/x')).toBeUndefined();
  await files.write('pieces/ab/x', Uint8Array.of(1, 2, 3, 4));
  await files.write('pieces/ab/x', Uint8Array.of(5, 6, 7));
  const into = new Uint8Array(2);
  await files.read('pieces/ab/x', 1, into);
  expect([await files.size('pieces/ab/x'), ...into]).toEqual([3, 6, 7]);
  expect(await files.list('pieces')).toEqual(['ab']);
  expect(await files.list('nothing')).toEqual([]);
  await expect(files.read('pieces/ab/x', 2, into)).rejects.toMatchObject({ code: 'BAD_STORE' });
  await files.remove('pieces/ab/x');
  await files.remove('pieces/ab/x');
  await expect(files.read('pieces/ab/x', 0, into)).rejects.toThrow('missing');
});

it('lets one hold a lock at a time, and hears the signal of whoever waits', async () => {
  const order: string[] = [];
  let leave = () => {};
  let first: Promise<void> | undefined;
  await new Promise<void>((entered) => {
    first = files.locked('p', async () => {
      order.push('first');
      await new Promise<void>((resolve) => {
        leave = resolve;
        entered();
      });
    });
  });
  const impatient = files.locked('p', async () => order.push('never'), AbortSignal.timeout(80));
  await expect(impatient).rejects.toThrow();
  const second = files.locked('p', async () => order.push('second'));
  leave();
  await Promise.all([first, second]);
  expect(order).toEqual(['first', 'second']);
});

/** A process that takes a lock and holds a generation until it is killed. */
const holder = join(folder, 'holder.mts');
writeFileSync(
  holder,
  `import { deviceFiles } from ${JSON.stringify(fileURLToPath(new URL('deviceFiles.node.ts', import.meta.url)))};
const files = deviceFiles(${JSON.stringify(folder)});
await files.hold('abc');
await files.locked('q', () => new Promise(() => { process.send('held'); setInterval(() => {}, 1e6); }));
`,
);

it('takes locks and holds of a killed process away', async () => {
  const child: ChildProcess = fork(holder, {
    execPath: typeScriptNode,
    execArgv: ['--conditions=espalier-source', '--import', 'tsx'],
    cwd: process.cwd(),
  });
  await new Promise((resolve) => child.once('message', resolve));
  expect(await files.held()).toEqual(new Set(['abc']));
  await expect(files.locked('q', async () => {}, AbortSignal.timeout(200))).rejects.toThrow();
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  expect(await files.locked('q', async () => 'free')).toBe('free');
  expect(await files.held()).toEqual(new Set());
});

it('takes the lock of a process away that died while it wrote the lock', async () => {
  mkdirSync(join(folder, 'locks'), { recursive: true });
  const lock = join(folder, 'locks', 'r');
  writeFileSync(lock, '');
  await expect(files.locked('r', async () => {}, AbortSignal.timeout(200))).rejects.toThrow();
  utimesSync(lock, new Date(0), new Date(0));
  expect(await files.locked('r', async () => 'free')).toBe('free');
});

it('believes a process of another machine to live as long as it touches its files', async () => {
  const mark = 'elsewhere~1~boot';
  const mine = [join(folder, 'locks', 's'), join(folder, 'held', `abd.${mark}-0`), join(folder, 'tmp', `${mark}-1`)];
  for (const path of mine) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, mark);
  }
  await expect(files.locked('s', async () => {}, AbortSignal.timeout(200))).rejects.toThrow();
  expect(await files.held()).toEqual(new Set(['abd']));
  expect(await files.sweep()).toBe(0);
  const ago = (minutes: number) => {
    const then = new Date(Date.now() - minutes * 60_000);
    for (const path of mine) if (existsSync(path)) utimesSync(path, then, then);
  };
  ago(6);
  expect(await files.held()).toEqual(new Set(['abd']));
  expect(await files.locked('s', async () => 'free')).toBe('free');
  ago(25 * 60);
  expect(await files.sweep()).toBe(mark.length);
  expect(await files.held()).toEqual(new Set());
});

it('gives an abandoned lock to one of many that wait', async () => {
  for (let round = 0; round < 12; round++) {
    const lock = join(folder, 'locks', 't');
    writeFileSync(lock, 'elsewhere~1~boot-0');
    utimesSync(lock, new Date(0), new Date(0));
    let inside = 0;
    const most: number[] = [];
    const one = () =>
      files.locked('t', async () => {
        most.push(++inside);
        await new Promise((resolve) => setTimeout(resolve, 1));
        inside--;
      });
    await Promise.all(Array.from({ length: 8 }, one));
    expect(Math.max(...most)).toBe(1);
  }
}, 60_000);

it('leaves the lock of another process alone that has taken its own over', async () => {
  const lock = join(folder, 'locks', 'u');
  await files.locked('u', async () => writeFileSync(lock, 'elsewhere~1~boot-0'));
  expect(readFileSync(lock, 'utf8')).toBe('elsewhere~1~boot-0');
});
