/** Checks that a page has the whole API: every method and field must pass through the worker. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import * as federated from '../federated/index.ts';
import * as training from '../train/index.ts';
import { describe as describeObject, isRemote } from './describe.ts';
import * as entry from './entry.browser.ts';
import * as federatedPage from './federatedPage.ts';
import * as functions from './functions.ts';
import { promises, synchronous } from './synchronous.ts';
import * as page from './trainPage.ts';

const PROMPT = [1, 2, 3];

describe('the API in a page', () => {
  it('has the functions of the entries', () => {
    // a checkpoint is opened in the page itself
    expect(Object.keys(entry).sort()).toEqual([...Object.keys(functions), 'openCheckpoint'].sort());
    expect(Object.keys(page).sort()).toEqual(Object.keys(training).sort());
    expect(Object.keys(federatedPage).sort()).toEqual(Object.keys(federated).sort());
  });

  it('exports the same names from the main entry in Node and in browsers', () => {
    const text = readFileSync(new URL('./entry.node.ts', import.meta.url), 'utf8');
    for (const name of Object.keys(functions)) expect(text).toMatch(new RegExp(`\\b${name}\\b`));
  });

  it('makes every object at once that the API returns at once, and knows which fields are promises', async () => {
    const model = await functions.load(await makeModel({ architecture: 'llama', format: 'Q4_0' }), { threads: 1 });
    const session = model.session();
    const objects = {
      model,
      session,
      sequence: model.sequence(),
      generation: session.generate(PROMPT, { maxTokens: 2 }),
      tokenizer: model.tokenizer,
      decoder: model.tokenizer.decoder(),
    };
    const args: Readonly<Record<string, readonly unknown[]>> = {
      generate: [PROMPT, { maxTokens: 2 }],
      encode: ['a'],
      encodePair: ['a', 'b'],
      decode: [PROMPT],
      piece: [1],
      bytes: [1],
      find: ['a'],
      push: [1],
      rewind: [0],
      next: [1],
      choose: [[1], { seed: 1, temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, recent: [] }],
      renderPrompt: [[{ role: 'user', content: 'a' }]],
      countTokens: ['a'],
      setSubmodel: ['whole'],
    };
    // methods of a sequence that the scheduler and sessions call, not applications
    const ofTheEngine = [
      'begin',
      'end',
      'pin',
      'part',
      'append',
      'fork',
      'verify',
      'clock',
      'observeTokens',
      'setPacer',
      'setDraftModel',
    ];
    const made: string[] = [];
    const waited: string[] = [];
    for (const [name, object] of Object.entries(objects)) {
      const members = object as unknown as Record<string, (...values: readonly unknown[]) => unknown>;
      expect(isRemote(object), name).toBe(true);
      const { methods, values } = describeObject(object);
      for (const value of values) if (members[value] instanceof Promise) waited.push(value);
      for (const method of methods) {
        if (['dispose', 'free', 'return', 'throw', 'next', ...ofTheEngine].includes(method)) continue;
        const result = members[method](...(args[method] ?? []));
        if (result instanceof Promise) result.catch(() => undefined);
        else if (typeof result === 'object' && result !== null && isRemote(result)) made.push(method);
      }
    }
    expect([...new Set(made)].sort()).toEqual([...synchronous.keys()].sort());
    expect(waited).toEqual([]);
    const { result } = objects.generation;
    expect(result).toBeInstanceOf(Promise);
    await result;
    expect([...promises]).toEqual(['result']);
    model.dispose();
  });
});
