/** A run whose process is killed repeatedly at random moments and resumed gives the same result as an uninterrupted run. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { typeScriptNode } from '../typeScriptNode.ts';
import { backend } from './backend.ts';
import { type TinyRun, tinyRun } from './tinyRun.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const KILLS = 5;

let run: TinyRun;
beforeAll(async () => {
  run = await tinyRun();
});
afterAll(() => run.remove());

function training(recipe: string): ChildProcess {
  const node = ['--import', 'tsx', '--conditions=espalier-source', main];
  return spawn(typeScriptNode, [...node, 'train', recipe, '--resume', '--backend', backend], { stdio: 'pipe' });
}

const ended = (child: ChildProcess) =>
  new Promise<{ code: number | null; stderr: string }>((resolve) => {
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout!.resume();
    child.on('close', (code) => resolve({ code, stderr }));
  });

const logOf = (name: string) => readFile(run.path(`${name}/log.jsonl`), 'utf8').catch(() => '');

/** Kills a run some time after it has written a new log line. */
async function kill(recipe: string, name: string, delay: number): Promise<void> {
  const before = await logOf(name);
  const child = training(recipe);
  const over = ended(child);
  let isOver = false;
  void over.then(() => {
    isOver = true;
  });
  while (!isOver && (await logOf(name)) === before) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, delay));
  child.kill('SIGKILL');
  await over;
}

describe('a run that is killed', () => {
  it('resumes with the same result as an uninterrupted run', async () => {
    const recipe = (name: string) =>
      run.recipe(
        {
          steps: 40,
          dropout: 0.1,
          samples: { prompts: ['the '], every: 7, tokens: 5 },
          // most of the time is spent writing checkpoints
          checkpoints: { folder: name, every: 1 },
          output: { path: `${name}.gguf` },
        },
        `${name}.json`,
      );
    expect(await ended(training(await recipe('whole')))).toEqual({ code: 0, stderr: '' });
    const random = seededRandom(3);
    const path = await recipe('killed');
    for (let i = 0; i < KILLS; i++) await kill(path, 'killed', random.uniform() * 300);
    expect(await ended(training(path))).toEqual({ code: 0, stderr: '' });
    const [killed, whole] = await Promise.all([run.log('killed'), run.log('whole')]);
    expect(killed.slice(1)).toEqual(whole.slice(1));
    expect(await readFile(run.path('killed.gguf'))).toEqual(await readFile(run.path('whole.gguf')));
  });
});
