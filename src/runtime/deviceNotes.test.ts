import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviceNotes } from './deviceNotes.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-notes-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('device notes', () => {
  it('are read back by their name only', async () => {
    await deviceNotes(folder).write('a', 'one');
    await deviceNotes(folder).write('b', 'two');
    await deviceNotes(folder).write('a', 'three');
    expect(await deviceNotes(folder).read('a')).toBe('three');
    expect(await deviceNotes(folder).read('b')).toBe('two');
    expect(await deviceNotes(folder).read('c')).toBeUndefined();
  });

  it('are ignored if broken', async () => {
    await deviceNotes(folder).write('a', 'one');
    for (const file of await readdir(join(folder, 'device')))
      await writeFile(join(folder, 'device', file), '{"name":"a"');
    expect(await deviceNotes(folder).read('a')).toBeUndefined();
    await deviceNotes(folder).write('a', 'four');
    expect(await deviceNotes(folder).read('a')).toBe('four');
  });

  it('do not throw if they cannot be written', async () => {
    const notes = deviceNotes('/dev/null/nowhere');
    await notes.write('a', 'one');
    expect(await notes.read('a')).toBeUndefined();
  });
});
