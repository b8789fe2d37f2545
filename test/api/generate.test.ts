import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type GenerateOptions,
  type GenerationResult,
  load,
  type Model,
  type Piece,
  type Session,
} from '../../src/index.ts';
import { tinyModel } from './tinyModel.ts';

const prompt = 'Every winter the gardener comes back';

let model: Model;
beforeAll(async () => {
  model = await load(await tinyModel(), { context: 128 });
});
afterAll(() => model.dispose());

async function generated(session: Session, text: string | number[], options: GenerateOptions = {}) {
  return session.generate(text, { maxTokens: 12, ...options }).result;
}

/** Greedy decoding that evaluates the whole sequence for each token. */
async function naive(ids: readonly number[], count: number): Promise<number[]> {
  const all = [...ids];
  for (let i = 0; i < count; i++) {
    await model.evaluate(all, [all.length - 1], (_, logits) => all.push(logits.indexOf(Math.max(...logits))));
  }
  return all.slice(ids.length);
}

describe('generating', () => {
  test('equals evaluating the whole sequence for each token', async () => {
    const ids = model.tokenizer.encode(prompt);
    const { ids: found } = await generated(model.session(), prompt, { maxTokens: 6 });
    expect(found).toEqual(await naive(ids, 6));
  });

  test('is the same in small steps', async () => {
    const small = await load(await tinyModel(), { context: 128, stepTokens: 3 });
    const expected = await generated(model.session(), prompt);
    expect((await generated(small.session(), prompt)).ids).toEqual(expected.ids);
    small.dispose();
  });

  test('streams pieces that add up to the result', async () => {
    const generation = model.session().generate(prompt, { maxTokens: 30 });
    const pieces: Piece[] = [];
    for await (const piece of generation) pieces.push(piece);
    const result = await generation.result;
    expect(pieces.map(({ text }) => text).join('')).toBe(result.text);
    expect(pieces.flatMap(({ ids }) => ids)).toEqual(result.ids);
    expect(result.text).toBe(model.tokenizer.decode(result.ids, { continues: true }));
    expect(result).toMatchObject({ finishReason: 'length', tokens: 30, reusedTokens: 0 });
    expect(result.promptTokens).toBe(model.tokenizer.encode(prompt).length);
    expect(result.prefillTokensPerSecond).toBeGreaterThan(0);
    expect(result.decodeTokensPerSecond).toBeGreaterThan(0);
  });

  test('never returns part of a character', async () => {
    for (let seed = 0; seed < 8; seed++) {
      const options = { temperature: 3, topK: 0, topP: 1, minP: 0, seed, maxTokens: 40 };
      const generation = model.session().generate(prompt, options);
      let text = '';
      for await (const piece of generation) {
        expect(Buffer.from(piece.text).toString()).toBe(piece.text);
        text += piece.text;
      }
      expect(text).toBe(model.tokenizer.decode((await generation.result).ids, { continues: true }));
    }
  });

  test('ends before a stop string, even if several tokens form it', async () => {
    const { text } = await generated(model.session(), prompt, { maxTokens: 24 });
    for (const [from, to] of [
      [3, 9],
      [5, 6],
      [0, 4],
    ]) {
      const stop = text.slice(from, to);
      const generation = model.session().generate(prompt, { maxTokens: 24, stop: ['never so', stop] });
      let streamed = '';
      for await (const piece of generation) streamed += piece.text;
      const result = await generation.result;
      expect(streamed).toBe(text.slice(0, text.indexOf(stop)));
      expect(result).toMatchObject({ text: streamed, finishReason: 'stop' });
    }
  });

  test('fills the context and reports it', async () => {
    const result = await generated(model.session(), prompt, { maxTokens: undefined });
    expect(result.finishReason).toBe('context');
    // the last sampled token does not need a step of its own
    expect(result.promptTokens + result.tokens).toBe(model.context + 1);
  });

  test('ends at an end token, without its text', async () => {
    const anything = { temperature: 50, topK: 0, topP: 1, minP: 0, maxTokens: undefined };
    const results: GenerationResult[] = [];
    for (let seed = 0; results.at(-1)?.finishReason !== 'stop'; seed++)
      results.push(await generated(model.session(), prompt, { ...anything, seed }));
    const { ids, text } = results.at(-1)!;
    expect(ids).not.toContain(model.tokenizer.eos);
    expect(text).toBe(model.tokenizer.decode(ids, { continues: true }));
  });

  test('repeats the text with the reported seed', async () => {
    const first = await generated(model.session(), prompt, { temperature: 1 });
    const again = await generated(model.session(), prompt, { temperature: 1, seed: first.seed });
    expect(again.ids).toEqual(first.ids);
  });

  test('reports log-probabilities on request', async () => {
    const generation = model.session().generate(prompt, { maxTokens: 4, logProbabilities: 3 });
    const pieces: Piece[] = [];
    for await (const piece of generation) pieces.push(piece);
    const told = pieces.flatMap(({ logProbabilities = [] }) => logProbabilities);
    const { ids } = await generation.result;
    expect(told.map(({ id }) => id)).toEqual(ids);
    const forced = await model.logProbabilities([...model.tokenizer.encode(prompt), ...ids]);
    for (const [i, { id, logProbability, topLogProbs }] of told.entries()) {
      expect(topLogProbs).toHaveLength(3);
      expect(topLogProbs[0]).toEqual({ id, logProbability });
      expect(logProbability).toBeCloseTo(forced[forced.length - ids.length + i].logProbability, 4);
    }
  });

  test('maxTokens: 0 only computes the prompt', async () => {
    const session = model.session();
    expect(await generated(session, prompt, { maxTokens: 0 })).toMatchObject({
      ids: [],
      text: '',
      finishReason: 'length',
    });
    expect(session.tokens).toEqual(model.tokenizer.encode(prompt));
  });
});

describe('a session', () => {
  test('does not recompute a prefix of the prompt that is in the cache', async () => {
    const session = model.session();
    const first = await generated(session, prompt);
    const longer = [
      ...model.tokenizer.encode(prompt),
      ...first.ids,
      ...model.tokenizer.encode(' and', { addBos: false }),
    ];
    const continued = await generated(session, longer);
    expect(continued.reusedTokens).toBe(first.promptTokens + first.tokens - 1);
    expect(continued.ids).toEqual((await generated(model.session(), longer)).ids);
  });

  test('recomputes only the last token of a known prompt', async () => {
    const session = model.session();
    const first = await generated(session, prompt);
    const again = await generated(session, prompt);
    expect(again.reusedTokens).toBe(again.promptTokens - 1);
    expect(again.ids).toEqual(first.ids);
  });

  test('discards the cache of a different prompt', async () => {
    const session = model.session();
    await generated(session, prompt);
    const other = 'Every winter is cold';
    expect((await generated(session, other)).ids).toEqual((await generated(model.session(), other)).ids);
  });

  test('is not affected by its clones', async () => {
    const session = model.session();
    const first = await generated(session, prompt);
    const clone = session.clone();
    await generated(session, 'Nothing is lost that was needed');
    const again = await generated(clone, prompt);
    expect(again.reusedTokens).toBe(again.promptTokens - 1);
    expect(again.ids).toEqual(first.ids);
    clone.dispose();
    expect((await generated(session, prompt)).ids).toEqual(first.ids);
  });

  test('can be reset', async () => {
    const session = model.session();
    await generated(session, prompt);
    session.reset();
    expect(session.tokens).toEqual([]);
    expect((await generated(session, prompt)).reusedTokens).toBe(0);
  });

  test('runs one generation at a time', async () => {
    const session = model.session();
    const first = session.generate(prompt, { maxTokens: 8 });
    const second = session.generate(prompt, { maxTokens: 8 });
    const [one, two] = await Promise.allSettled([first.result, second.result]);
    expect(one.status).toBe('fulfilled');
    expect(two).toMatchObject({ status: 'rejected', reason: { code: 'SESSION_BUSY' } });
    expect((await generated(session, prompt)).tokens).toBe(12);
  });

  test('is not affected by other sessions', async () => {
    const prompts = [prompt, 'In spring the buds opened', 'She measured the wall'];
    const alone: GenerationResult[] = [];
    for (const text of prompts) alone.push(await generated(model.session(), text));
    const together = await Promise.all(prompts.map((text) => generated(model.session(), text)));
    expect(together.map(({ ids }) => ids)).toEqual(alone.map(({ ids }) => ids));
  });

  test('lets timers run while it generates', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await generated(model.session(), prompt, { maxTokens: 80 });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
  });
});

describe('stopping', () => {
  test('leaving the loop stops the generation and frees the session', async () => {
    const session = model.session();
    const generation = session.generate(prompt, { maxTokens: 100 });
    for await (const _ of generation) break;
    const result = await generation.result;
    expect(result.finishReason).toBe('aborted');
    expect(result.tokens).toBeLessThan(100);
    expect((await generated(session, prompt)).tokens).toBe(12);
  });

  test('a signal ends the loop with its reason, and the result has the text so far', async () => {
    const controller = new AbortController();
    const session = model.session();
    const generation = session.generate(prompt, { maxTokens: 100, signal: controller.signal });
    let text = '';
    const loop = async () => {
      for await (const piece of generation) {
        text += piece.text;
        if (text.length > 10) controller.abort(new Error('enough'));
      }
    };
    await expect(loop()).rejects.toThrow('enough');
    const result = await generation.result;
    expect(result).toMatchObject({ finishReason: 'aborted', text });
    const after = await generated(session, prompt);
    expect(after.ids).toEqual((await generated(model.session(), prompt)).ids);
    expect(after.reusedTokens).toBeGreaterThan(0);
  });

  test('a signal aborts between the steps of a prompt', async () => {
    const small = await load(await tinyModel(), { context: 128, stepTokens: 4 });
    const controller = new AbortController();
    const seen: number[] = [];
    const generation = small.session().generate(
      Array.from({ length: 100 }, (_, i) => i + 3),
      {
        signal: controller.signal,
        onProgress: ({ done, total, stage }) => {
          expect([total, stage]).toEqual([100, 'prefill']);
          seen.push(done);
          if (done >= 12) controller.abort();
        },
      },
    );
    await expect(generation.next()).rejects.toMatchObject({ name: 'AbortError' });
    expect(seen).toEqual([4, 8, 12]);
    expect(await generation.result).toMatchObject({ finishReason: 'aborted', tokens: 0 });
    small.dispose();
  });

  test('an aborted signal prevents the start', async () => {
    const generation = model.session().generate(prompt, { signal: AbortSignal.abort(new Error('too late')) });
    await expect(generation.next()).rejects.toThrow('too late');
  });

  test('the result can be awaited while iterating', async () => {
    const generation = model.session().generate(prompt, { maxTokens: 20 });
    const result = generation.result;
    let text = '';
    for await (const piece of generation) text += piece.text;
    expect((await result).text).toBe(text);
  });
});

describe('bad input', () => {
  test('a prompt longer than the context throws at once, with the numbers', () => {
    const session = model.session();
    const long = Array.from({ length: 129 }, () => 5);
    expect(() => session.generate(long)).toThrow('the prompt has 129 tokens but the context holds 128');
    expect(session.tokens).toEqual([]);
  });

  test.each([
    [{ temprature: 1 } as GenerateOptions, /option temprature is 1, expected one of the options maxTokens/],
    [{ temperature: -1 }, /temperature is -1, expected a number of at least 0/],
    [{ temperature: Number.NaN }, /temperature/],
    [{ topP: 0 }, /topP is 0, expected a number above 0 and at most 1/],
    [{ topK: 1.5 }, /topK is 1.5, expected a whole number/],
    [{ maxTokens: -1 }, /maxTokens/],
    [{ stop: '' }, /stop/],
    [{ stop: ['a', ''] }, /stop/],
  ])('the options %o are rejected', (options, message) => {
    expect(() => model.session().generate(prompt, options)).toThrow(message);
  });

  test.each([[[]], [[512]], [[-1]], [[1.5]], [[1, 'a'] as unknown as number[]]])('the prompt %o is rejected', (ids) => {
    expect(() => model.session().generate(ids)).toThrow(/prompt/);
  });
});
