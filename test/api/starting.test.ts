/** If the runtime forbids a feature, the engine starts without it and reports the reason. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const built = fileURLToPath(new URL('../../dist/index.js', import.meta.url));
const sapling = fileURLToPath(new URL('../../models/sapling.gguf', import.meta.url));
const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];

/** Runs the built package in a Node of its own. @returns the text of a generation, and the backend's description */
function start(flags: readonly string[], before = '') {
  const script = `${before}
    import { load } from ${JSON.stringify(built)};
    const model = await load(${JSON.stringify(sapling)}, { threads: 2 });
    const { text } = await model.session().generate('Once upon', { maxTokens: 5, temperature: 0 }).result;
    console.log(JSON.stringify({ text, limits: model.backend.limits, threads: model.backend.settings.threads }));`;
  const args = [...flags, '--input-type=module', '-e', script];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
}

const text = ' a time, there was';

it('without permission to start workers it runs on one thread', () => {
  const permission = major > 23 || (major === 23 && minor >= 5) || (major === 22 && minor >= 13);
  const flags = [permission ? '--permission' : '--experimental-permission', '--allow-fs-read=*'];
  expect(start(flags)).toMatchObject({
    text,
    threads: 1,
    limits: [expect.stringMatching(/^1 of 2 threads: a worker could not be started: .*(restricted|denied)/i)],
  });
});

it('without DecompressionStream, which old runtimes and test environments lack, it runs all the same', () => {
  expect(start([], 'delete globalThis.DecompressionStream; delete Blob.prototype.stream;')).toMatchObject({
    text,
    limits: [],
  });
});
