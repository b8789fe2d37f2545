/** The same recipe run twice, and killed and resumed: the same file, byte for byte. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Setting } from './setting.ts';

const cli = resolve('dist/cli/main.js');

export async function benchRepeat(setting: Setting, kills: number): Promise<object> {
  const text = join(setting.folder, 'repeat.txt');
  await writeFile(text, setting.calibrating);
  const output = join(setting.folder, 'repeat.gguf');
  const recipe = join(setting.folder, 'repeat.json');
  const { window, windows, threads } = setting.options;
  const stages = [{ quantize: { type: 'Q4_K_M' } }, { tune: { steps: 4 } }];
  await writeFile(
    recipe,
    JSON.stringify({ source: setting.source, output, calibration: { text, window, windows }, stages }),
  );
  /** @returns the hash of the file; undefined if it was killed */
  const run = (afterMilliseconds?: number): Promise<string | undefined> => {
    const child = spawn(process.execPath, [cli, 'shape', recipe, '--threads', String(threads)], { stdio: 'ignore' });
    const timer = afterMilliseconds && setTimeout(() => child.kill('SIGKILL'), afterMilliseconds);
    return new Promise((done, fail) => {
      child.on('error', fail).on('close', (code, signal) => {
        clearTimeout(timer || undefined);
        if (code === 0) done(createHash('sha256').update(readFileSync(output)).digest('hex'));
        else if (signal === 'SIGKILL') done(undefined);
        else fail(new Error(`espalier shape ended with ${code}`));
      });
    });
  };
  const started = performance.now();
  const first = await run();
  const milliseconds = performance.now() - started;
  await rm(output);
  const second = await run();
  await rm(output);
  let killed = 0;
  for (let i = 0; i < kills; i++) {
    const found = await run(((0.3 + i) / kills) * milliseconds);
    if (found === undefined) killed++;
    if (existsSync(output)) await rm(output);
  }
  const resumed = await run();
  const isReached = first === second && first === resumed;
  console.log(
    `the same recipe twice${killed > 0 ? `, and killed ${killed} times` : ''}: ${isReached ? 'the same bytes' : 'DIFFERENT bytes'}, sha256 ${first?.slice(0, 16)}…`,
  );
  return { first, second, resumed, killed, isReached, seconds: milliseconds / 1000 };
}
