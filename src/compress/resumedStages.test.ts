/** Importance matrices and narrowing continue where a run was interrupted, and write the same bytes. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../scripts/models/index.ts';
import type { Progress } from '../core/progress.ts';
import type { InputQuantiles } from './inputQuantiles.ts';
import { measureImportance } from './measureImportance.ts';
import { narrow } from './prune/narrow.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-resumed-'));
const path = (name: string) => join(folder, name);
const source = path('source.gguf');
const layers = 4;
/** A stage takes two steps of the progress. */
const calibration = { text: gardenText.repeat(4), window: 64, windows: 36 };
beforeAll(async () => {
  writeFileSync(source, await makeModel({ architecture: 'llama', format: 'F32', dimensions: { layers } }));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface RunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

const files = () => readdirSync(folder).sort();

/** Runs until a progress event, then once more. @returns the progress of the second run */
async function interrupted(run: (options: RunOptions) => Promise<unknown>, isEnough: (progress: Progress) => boolean) {
  const controller = new AbortController();
  const onProgress = (progress: Progress) => isEnough(progress) && controller.abort(new Error('enough'));
  await expect(run({ signal: controller.signal, onProgress })).rejects.toThrow('enough');
  const seen: Progress[] = [];
  await run({ onProgress: (progress) => seen.push(progress) });
  return seen;
}

describe('an importance matrix', () => {
  const inputs: Record<string, InputQuantiles[]> = {};
  const run =
    (output: string, more = {}) =>
    (options: RunOptions) => {
      inputs[output] = [];
      const onInput = (input: InputQuantiles) => inputs[output].push(input);
      return measureImportance(source, {
        ...{ ...calibration, output: path(output), quantiles: true, processOutput: true, onInput },
        ...{ ...options, ...more },
      });
    };

  it.each([1, 2, layers + 1])('that stopped within stage %i continues there', async (stage) => {
    await run('whole.gguf')({});
    const found = files();
    const share = (stage + 0.8) / (layers + 2);
    const enough = ({ stage: name, done, total }: Progress) => name === 'calibrate' && done > share * total;
    const seen = await interrupted(run('again.gguf'), enough);
    expect(readFileSync(path('again.gguf')).equals(readFileSync(path('whole.gguf')))).toBe(true);
    // finished stages are read in one step each, the others take two
    const steps = seen.filter(({ stage: name }) => name === 'calibrate').map(({ done, total }) => done / total);
    for (let i = 0; i < stage; i++) expect(steps[i]).toBeCloseTo((i + 1) / (layers + 2), 9);
    expect(steps).toHaveLength(2 * (layers + 2) - stage);
    expect(inputs['again.gguf']).toEqual(inputs['whole.gguf']);
    rmSync(path('again.gguf'));
    expect(files()).toEqual(found);
  });

  it('of another text starts anew', async () => {
    const controller = new AbortController();
    const onProgress = ({ done, total }: Progress) => done > total / 2 && controller.abort(new Error('enough'));
    const other = { text: gardenText.slice(200).repeat(4) };
    await expect(run('again.gguf', other)({ signal: controller.signal, onProgress })).rejects.toThrow('enough');
    expect(files().some((name) => name.startsWith('again.gguf.solved.activations'))).toBe(true);
    await run('again.gguf')({});
    await run('whole.gguf')({});
    expect(readFileSync(path('again.gguf')).equals(readFileSync(path('whole.gguf')))).toBe(true);
    expect(files().filter((name) => name.includes('.solved.'))).toEqual([]);
  });
});

it.each([1, 2])('narrowing continues behind block %i', async (block) => {
  const options = { keep: 0.5, calibration };
  const whole = await narrow(source, path('narrow.gguf'), options);
  const found = files();
  const results: unknown[] = [];
  const run = async (more: RunOptions) => {
    const result = await narrow(source, path('narrow-again.gguf'), { ...options, ...more });
    results.push(result);
  };
  const seen = await interrupted(run, ({ stage, done }) => stage === 'narrow' && done === block + 1);
  expect(results).toEqual([whole]);
  expect(readFileSync(path('narrow-again.gguf')).equals(readFileSync(path('narrow.gguf')))).toBe(true);
  // the blocks before are not solved again
  expect(seen.filter(({ stage }) => stage === 'narrow')[0].done).toBeGreaterThan(block);
  rmSync(path('narrow-again.gguf'));
  expect(files()).toEqual(found);
});
