import { describe, expect, it } from 'vitest';
import { collectGarbage } from '../core/collectGarbage.ts';
import { MemoryError } from '../core/errors.ts';
import type { Cache } from '../graph/step.ts';
import { OpenCaches } from './openCaches.ts';

function cacheOf(bytes: number, freed: string[], name: string): Cache {
  return { context: 1, sequences: 1, bytes, copyFrom: async () => undefined, free: () => void freed.push(name) };
}

/** Adds caches whose owners nobody holds. */
function addLost(caches: OpenCaches, count: number, freed: string[]): void {
  for (let i = 0; i < count; i++) caches.add({}, cacheOf(1000, freed, `lost ${i}`));
}

const full = () => new MemoryError('keys and values', 2000, 500);

describe('the caches of open sessions', () => {
  it('are released once, explicitly or when their owner is collected', async () => {
    const caches = new OpenCaches();
    const freed: string[] = [];
    const owner = {};
    const cache = cacheOf(1000, freed, 'own');
    caches.add(owner, cache);
    addLost(caches, 20, freed);
    expect(caches).toMatchObject({ count: 21, bytes: 21_000 });
    await collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(caches.count).toBe(1);
    caches.release(cache);
    caches.release(cache);
    expect(freed.filter((name) => name === 'own')).toHaveLength(1);
    expect(new Set(freed).size).toBe(21);
    expect(owner).toEqual({});
  });

  it('of lost sessions are released when memory is short', async () => {
    const caches = new OpenCaches();
    const freed: string[] = [];
    addLost(caches, 20, freed);
    // an object lives at least as long as the task that made it
    await new Promise((resolve) => setTimeout(resolve, 0));
    const room = caches.withRoom(() => {
      if (freed.length === 0) throw full();
      return 'room';
    });
    expect(room).toBe('room');
    expect(freed.length).toBeGreaterThan(10);
  });

  it('are reported if there is no memory', () => {
    const caches = new OpenCaches();
    const owners = [{}, {}, {}];
    for (const owner of owners) caches.add(owner, cacheOf(1_000_000, [], 'held'));
    const attempt = () =>
      caches.withRoom(() => {
        throw full();
      });
    expect(attempt).toThrow(
      'keys and values needs 2,000 bytes but 500 are available; 3 open sessions hold 3,000,000 bytes: dispose of unused ones',
    );
    expect(attempt).toThrow(
      expect.objectContaining({
        code: 'OUT_OF_MEMORY',
        data: expect.objectContaining({ needed: 2000, available: 500, sessions: 3, sessionBytes: 3_000_000 }),
      }),
    );
    expect(owners).toHaveLength(3);
  });
});
