/** Releasing memory: of sessions without references, and of a disposed model that is still referenced. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { load } from '../../src/index.ts';

const MEGABYTE = 1e6;
const built = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

describe('giving back', () => {
  let folder: string;
  let path: string;
  let weights: number;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'espalier-dispose-'));
    path = join(folder, 'large.gguf');
    const bytes = await makeModel({ architecture: 'llama', format: 'F32', dimensions: { ffn: 16384 } });
    weights = bytes.length;
    writeFileSync(path, bytes);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('a disposed model gives its memory back at once, though it and a session are held', () => {
    // in a process of its own, so that nothing else uses memory
    const script = `
      import { load } from ${JSON.stringify(built)};
      const used = () => process.memoryUsage().rss;
      const model = await load(${JSON.stringify(path)});
      const session = model.session();
      await session.generate([1, 2, 3], { maxTokens: 2 }).result;
      const loaded = used();
      model.dispose();
      let least = loaded;
      for (let i = 0; i < 200 && loaded - least < ${weights} * 0.7; i++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        least = Math.min(least, used());
      }
      const code = await session.generate([1]).result.catch((error) => error.code);
      console.log(JSON.stringify({ freed: loaded - least, code, backend: model.backend.backend, left: model.memoryBytes }));`;
    const args = ['--input-type=module', '-e', script];
    const found = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
    expect(weights).toBeGreaterThan(50 * MEGABYTE);
    expect(found).toMatchObject({ code: 'DISPOSED', backend: 'wasm', left: 0 });
    expect(found.freed).toBeGreaterThan(weights * 0.7);
  });

  it('sessions that were dropped without dispose do not pile up', async () => {
    const cacheBytes = 2 ** 20;
    const model = await load(path, { context: 512, threads: 1, cacheBytes });
    const loaded = model.memoryBytes;
    let taken = 0;
    for (let i = 0; i < 100; i++) {
      const session = model.session();
      const prompt = Array.from({ length: 40 }, (_, at) => 3 + ((i * 31 + at * 7) % 90));
      await session.generate(prompt, { maxTokens: 1 }).result;
      taken += session.cacheBytes;
      expect(model.memoryBytes - loaded).toBeLessThan(1.1 * cacheBytes);
    }
    expect(taken).toBeGreaterThan(4 * cacheBytes);
    model.dispose();
  });
});
