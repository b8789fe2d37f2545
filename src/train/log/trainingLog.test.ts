import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SourceError } from '../../core/errors.ts';
import { type LogLine, parseLog } from './logLine.ts';
import { openLog } from './trainingLog.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-log-'));
});
afterAll(() => rm(folder, { recursive: true }));

const start: LogLine = { kind: 'start', step: 0, parameters: 10, recipe: { seed: 1 } };
const step = (n: number): LogLine => ({
  kind: 'step',
  step: n,
  loss: 1 / n,
  learningRate: 1e-3,
  gradientNorm: 1,
  tokens: 64,
  seconds: 0.5,
});
const sample = (n: number): LogLine => ({ kind: 'sample', step: n, prompt: 'Once', text: ' upon\na time – "ä"' });
const run = (from: number, to: number): LogLine[] =>
  Array.from({ length: to - from + 1 }, (_, i) => [step(from + i), sample(from + i)]).flat();

async function write(path: string, lines: readonly LogLine[], resumeAt?: number): Promise<string> {
  const log = await openLog(path, resumeAt);
  for (const line of lines) await log.write(line);
  await log.flush();
  expect(await log.text()).toBe(await readFile(path, 'utf8'));
  await log.close();
  return readFile(path, 'utf8');
}

describe('the log of a run', () => {
  it('is the same for an interrupted and an uninterrupted run', async () => {
    const whole = await write(join(folder, 'made/whole.jsonl'), [
      start,
      ...run(1, 9),
      { kind: 'end', step: 9, reason: 'steps' },
    ]);
    const path = join(folder, 'cut.jsonl');
    await write(path, [start, ...run(1, 7)]);
    // interrupted in the middle of a line
    await appendFile(path, '{"kind":"step","st');
    await write(path, [...run(5, 6), { kind: 'end', step: 6, reason: 'interrupted' }], 4);
    const resumed = await write(path, [...run(7, 9), { kind: 'end', step: 9, reason: 'steps' }], 6);
    expect(resumed).toBe(whole);
    expect(parseLog(resumed)).toEqual([start, ...run(1, 9), { kind: 'end', step: 9, reason: 'steps' }]);
  });

  it('of a new run replaces an old one', async () => {
    const path = join(folder, 'new.jsonl');
    await write(path, [start, ...run(1, 3)]);
    expect(await write(path, [start])).toBe(`${JSON.stringify(start)}\n`);
  });

  it('is read up to the first invalid line', () => {
    const lines = [start, step(1)].map((line) => `${JSON.stringify(line)}\n`).join('');
    expect(parseLog(`${lines}{"kind":"step"}\n${lines}`)).toEqual([start, step(1)]);
    expect(parseLog(`${lines}${JSON.stringify(step(2))}`)).toEqual([start, step(1)]);
    expect(parseLog('no log')).toEqual([]);
  });

  it('keeps losses that are NaN', () => {
    const line = { ...step(1), loss: Number.NaN };
    expect(parseLog(`${JSON.stringify(line)}\n`)).toEqual([line]);
  });

  it('throws if it cannot be written', async () => {
    await expect(openLog(folder)).rejects.toThrow(SourceError);
  });
});
