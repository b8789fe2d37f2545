/** Generating many texts: the result does not depend on batches or interruptions. */
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load, type Model, OptionError } from '../../src/index.ts';
import { generateCorpus } from '../../src/train/index.ts';
import { tinyModel } from '../api/tinyModel.ts';
import { backend } from './backend.ts';
import { type TinyRun, tinyRun } from './tinyRun.ts';

let run: TinyRun;
let model: Model;
beforeAll(async () => {
  run = await tinyRun();
  model = await load(await tinyModel(), { backend, context: 64, kv: 'f32' });
});
afterAll(async () => {
  model.dispose();
  await run.remove();
});

const prompts = ['The garden', 'A pear tree grew by', ''];
const settings = { prompts, count: 10, maxTokens: 12, batch: 4, temperature: 0.5 };

describe('generateMany', () => {
  it('continues each prompt as if it were alone', async () => {
    const alone: string[] = [];
    const options = { maxTokens: 16, temperature: 0 };
    const long = [...prompts.slice(0, 2), 'The garden was full of light and the old pear tree'];
    for (const prompt of long) alone.push((await model.session().generate(prompt, options).result).text);
    const together = await model.generateMany(long, options);
    expect(together.map(({ text }) => text)).toEqual(alone);
    expect(together.map(({ finishReason }) => finishReason)).toEqual(['length', 'length', 'length']);
  });

  it('ends each text on its own', async () => {
    const sampling = { temperature: 1, seeds: [1, 2, 3], topK: 0, topP: 1, minP: 0 };
    const all = await model.generateMany(prompts, sampling);
    for (const { finishReason, seed } of all) {
      expect(['stop', 'context']).toContain(finishReason);
      expect(sampling.seeds).toContain(seed);
    }
    const [{ text }] = await model.generateMany(prompts.slice(0, 1), { maxTokens: 20 });
    const stop = text.slice(4, 6);
    const [stopped] = await model.generateMany(prompts.slice(0, 1), { maxTokens: 20, stop });
    expect(stopped.text).toBe(text.slice(0, text.indexOf(stop)));
    expect(stopped.finishReason).toBe('stop');
  });

  it('asks nextTurn for the text between two parts, and waits for its promise', async () => {
    const calls: number[][] = [];
    const nextTurn = async (parts: number, index: number) => {
      calls.push([parts, index]);
      await new Promise((resolve) => setTimeout(resolve, 1));
      return parts < 2 ? '\nand then ' : undefined;
    };
    const [plain] = await model.generateMany(prompts.slice(0, 1), { temperature: 0, maxTokens: 20 });
    const stop = plain.text.slice(1, 3);
    const first = plain.text.slice(0, plain.text.indexOf(stop));
    const [many] = await model.generateMany(prompts.slice(0, 1), { temperature: 0, maxTokens: 20, stop, nextTurn });
    expect(calls[0]).toEqual([1, 0]);
    expect(many.parts).toHaveLength(2);
    expect(many.parts[0]).toBe(first);
    expect(many.text).toBe(many.parts.join('\nand then '));
    const refused = model.generateMany(['a'], { stop: '', nextTurn: () => Promise.reject(new Error('no turn')) });
    await expect(refused).rejects.toThrow();
  });

  it('does not wait for a nextTurn when its signal is aborted', async () => {
    const controller = new AbortController();
    const [plain] = await model.generateMany(prompts.slice(0, 1), { temperature: 0, maxTokens: 20 });
    const stop = plain.text.slice(1, 3);
    const nextTurn = () => {
      controller.abort(new Error('enough'));
      return new Promise<string>(() => undefined);
    };
    const options = { temperature: 0, maxTokens: 20, stop, nextTurn, signal: controller.signal };
    await expect(model.generateMany(prompts.slice(0, 1), options)).rejects.toThrow('enough');
  });

  it('rejects no prompts and unknown options', async () => {
    await expect(model.generateMany([])).rejects.toThrow(/prompts is none, expected at least one/);
    await expect(model.generateMany(['a'], { seeds: [1, 2] })).rejects.toThrow(
      /seeds is 2 numbers, expected 1 of them/,
    );
    await expect(model.generateMany(['a'], { seed: 1 } as never)).rejects.toThrow(OptionError);
    await expect(model.generateMany(['a'], { temperature: -1 })).rejects.toThrow(/temperature/);
  });
});

describe('generateCorpus', () => {
  it('writes the same file if it is interrupted anywhere and continued', async () => {
    const whole = run.path('whole.txt');
    const { tokens } = await generateCorpus(model, { ...settings, output: whole });
    const text = await readFile(whole, 'utf8');
    const texts = text.split('\n<|endoftext|>\n');
    expect(texts).toHaveLength(11);
    expect(texts[1]).toMatch(/^A pear tree grew by/);
    expect(tokens).toBeLessThanOrEqual(120);
    for (const share of [0, 0.3, 0.55, 0.99, 1]) {
      const cut = run.path('cut.txt');
      await writeFile(cut, text.slice(0, Math.floor(text.length * share)));
      await generateCorpus(model, { ...settings, output: cut });
      expect(await readFile(cut, 'utf8')).toBe(text);
    }
    const more = await generateCorpus(model, { ...settings, count: 12, output: whole });
    expect(more.texts).toBe(12);
    expect((await readFile(whole, 'utf8')).startsWith(texts.slice(0, 8).join('\n<|endoftext|>\n'))).toBe(true);
  });

  it('keeps completed batches after an abort', async () => {
    const controller = new AbortController();
    const output = run.path('aborted.txt');
    const onProgress = () => controller.abort(new Error('enough'));
    const ended = generateCorpus(model, { ...settings, output, signal: controller.signal, onProgress });
    await expect(ended).rejects.toThrow('enough');
    expect((await readFile(output, 'utf8')).split('<|endoftext|>')).toHaveLength(5);
  });
});
