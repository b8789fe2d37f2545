/** A training run of a few seconds on any backend: a repetitive text, a character tokenizer, a model of two small layers. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LogLine, parseLog } from '../../src/train/log/logLine.ts';

const lines = [
  'the pear grows by the wall',
  'the wall is warm and old',
  'old pears are sweet',
  'a warm day, a sweet pear',
];

/** A repetitive text, so that a few steps suffice to learn it. */
export const text = Array.from({ length: 40 }, (_, i) => `${lines[(i * i) % lines.length]}\n`).join('');

export interface TinyRun {
  readonly folder: string;
  path(file: string): string;
  /** Writes the recipe with `changes`. @returns its path */
  recipe(changes?: object, file?: string): Promise<string>;
  /** The log without its durations. */
  log(run?: string): Promise<Omit<LogLine, 'seconds'>[]>;
  remove(): Promise<void>;
}

export async function tinyRun(): Promise<TinyRun> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-train-'));
  const path = (file: string) => join(folder, file);
  await writeFile(path('text.txt'), text);
  return {
    folder,
    path,
    async recipe(changes = {}, file = 'recipe.json') {
      const recipe = {
        name: 'tiny',
        model: { architecture: 'llama', layers: 2, width: 32, heads: 2 },
        tokenizer: { characters: true },
        data: { sources: [{ path: 'text.txt' }], sequence: 16, batch: 4, cache: 'cache' },
        steps: 12,
        optimizer: { learningRate: 0.01, warmup: 2 },
        evaluation: { every: 5, batches: 2 },
        checkpoints: { every: 4 },
        ...changes,
      };
      await writeFile(path(file), JSON.stringify(recipe));
      return path(file);
    },
    async log(run = 'run') {
      const log = parseLog(await readFile(path(`${run}/log.jsonl`), 'utf8'));
      return log.map(({ ...line }) => {
        if ('seconds' in line) delete (line as { seconds?: number }).seconds;
        return line;
      });
    },
    remove: () => rm(folder, { recursive: true }),
  };
}
