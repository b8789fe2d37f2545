/** Memory of many sessions on a backend that really waits: who was admitted never lacks a page, and no page is lost. */
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { nextTask } from '#leaf/runtime/nextTask';
import { PagedCache } from '../../src/runtime/cache/pagedCache.ts';
import { PagePool } from '../../src/runtime/cache/pagePool.ts';
import { Engine } from '../../src/runtime/engine.ts';
import { Session } from '../../src/runtime/session.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { createLenientChatTemplate } from '../../src/tokenizer/chatTemplate.ts';
import { SlowPages, SlowProgram, tokenAfter } from './slowProgram.ts';

// hundreds of sessions wait here, and none is abandoned
vi.mock('../../src/core/collectGarbage.ts', () => ({ collectGarbage: async () => undefined }));

const PAGE_BYTES = 100;
const CONTEXT = 160;

interface Limits {
  readonly pages: number;
  readonly prefixPages?: number;
  readonly stateBytes?: number;
  readonly stepTokens?: number;
}

function engineOf({ pages, prefixPages = pages, stateBytes, stepTokens = 24 }: Limits): {
  engine: Engine;
  program: SlowProgram;
} {
  const program = new SlowProgram({ context: CONTEXT, maxTokens: stepTokens, stateBytes });
  const engine = new Engine('slow', program, {
    context: CONTEXT,
    kv: formatByName('F32'),
    template: createLenientChatTemplate(undefined),
    cache: { bytes: pages * PAGE_BYTES, prefixBytes: prefixPages * PAGE_BYTES },
  });
  return { engine, program };
}

const sessionOf = (engine: Engine): Session => new Session(engine, engine.sequence());

/** A prompt; those of one family share their beginning. */
const promptOf = (family: number, length: number): number[] =>
  Array.from({ length }, (_, i) => (i * i + family * (i % 5)) % 20);

function continuation(prompt: readonly number[], count: number): number[] {
  const all = [...prompt];
  while (all.length < prompt.length + count) all.push(tokenAfter(all));
  return all.slice(prompt.length);
}

async function turnsOfTheLoop(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await nextTask();
}

const GREEDY = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, recent: [], uniform: 0 };

interface Turn {
  readonly family: number;
  readonly length: number;
  readonly maxTokens: number;
  /** How it ends: at its maximum, by the reader after some tokens, by `dispose` then, or in a clone meanwhile. */
  readonly end: 'whole' | 'return' | 'dispose' | 'clone';
  readonly after: number;
}

const turns = fc.record<Turn>({
  family: fc.integer({ min: 0, max: 1 }),
  length: fc.oneof(fc.constant(66), fc.integer({ min: 1, max: 70 })),
  maxTokens: fc.integer({ min: 1, max: 40 }),
  end: fc.constantFrom('whole', 'whole', 'return', 'dispose', 'dispose', 'clone'),
  after: fc.integer({ min: 0, max: 20 }),
});

/** One conversation after the other, as told. @throws whatever a generation throws, except for the ends that it asked for */
async function converse(engine: Engine, turns: readonly Turn[]): Promise<void> {
  let session = sessionOf(engine);
  for (const { family, length, maxTokens, end, after } of turns) {
    const prompt = promptOf(family, length);
    const expected = continuation(prompt, maxTokens);
    const ids: number[] = [];
    const generation = session.generate(prompt, { maxTokens });
    const clones: Promise<void>[] = [];
    let isDisposed = false;
    try {
      for await (const piece of generation) {
        ids.push(...piece.ids);
        if (ids.length < after) continue;
        if (end === 'return') break;
        if (end === 'clone' && clones.length === 0) {
          const clone = session.clone();
          const next = clone.generate([...prompt, 21], { maxTokens }).result;
          clones.push(
            next.then((found) => {
              expect(found.ids).toEqual(continuation([...prompt, 21], maxTokens));
              clone.dispose();
            }),
          );
        }
        if (end !== 'dispose') continue;
        isDisposed = true;
        session.dispose();
      }
    } catch (error) {
      if (!isDisposed) throw error;
      expect(error).toMatchObject({ code: 'DISPOSED' });
    }
    await Promise.all(clones);
    expect(ids).toEqual(expected.slice(0, ids.length));
    if (end === 'whole') expect(ids).toHaveLength(maxTokens);
    if (isDisposed) session = sessionOf(engine);
  }
  session.dispose();
}

describe('sessions that were admitted', () => {
  it.each([
    { name: 'keys and values', stateBytes: 0, least: 8 },
    { name: 'recurrent states, too', stateBytes: 250, least: 26 },
  ])('never lack a page, and none is lost: $name', async ({ least, stateBytes }) => {
    const clients = fc.array(fc.array(turns, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 6 });
    const memory = fc.record({
      more: fc.integer({ min: 0, max: 2 * least }),
      prefixPages: fc.integer({ min: 0, max: 30 }),
      isWide: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(clients, memory, async (all, { more, prefixPages, isWide }) => {
        const pages = least + more;
        const { engine, program } = engineOf({ pages, prefixPages, stateBytes, stepTokens: isWide ? 200 : 24 });
        await Promise.all(all.map((each) => converse(engine, each)));
        const { pool, prefixes, admission } = engine.memory;
        expect(pool.pages).toBe(program.pages.live.size);
        expect(pool.pages).toBeLessThanOrEqual(prefixPages);
        expect(admission.isFull(pages)).toBe(false);
        prefixes.clear();
        expect([program.pages.live.size, pool.bytes]).toEqual([0, 0]);
        engine.dispose();
      }),
      { numRuns: 150, seed: 15 },
    );
  });

  it('find room where another one continues behind a prefix that both have computed', async () => {
    const { engine } = engineOf({ pages: 16, stepTokens: 200 });
    const prompt = promptOf(0, 65);
    const [first, second] = [sessionOf(engine), sessionOf(engine)];
    // both compute the four pages of the prefix at once, and the tree keeps those of one of them
    const [gone, kept] = [first, second].map((session) => session.generate(prompt, { maxTokens: 47 }));
    await Promise.all([gone!.next(), kept!.next()]);
    for (let i = 0; i < 20; i++) await kept!.next();
    await gone!.return();
    first.dispose();
    const third = await sessionOf(engine).generate(promptOf(1, 65), { maxTokens: 47 }).result;
    expect(third.tokens).toBe(47);
    expect((await kept!.result).tokens).toBe(47);
  });
});

describe('a copy of a sequence that a tool holds', () => {
  it('keeps its pages while others need memory', async () => {
    const { engine } = engineOf({ pages: 8 });
    const prompt = promptOf(0, 33);
    const tool = engine.sequence().pin();
    await tool.choose(prompt, GREEDY);
    const copy = tool.fork();
    tool.free();
    // needs all of the memory, so it waits
    const other = sessionOf(engine).generate(promptOf(1, 100), { maxTokens: 12 }).result;
    await turnsOfTheLoop(100);
    expect(await copy.choose([5], GREEDY)).toBe(tokenAfter([...prompt, 5]));
    copy.free();
    expect((await other).tokens).toBe(12);
  });

  it('is refused with the numbers where there is no room for it', async () => {
    const { engine } = engineOf({ pages: 7 });
    const tool = engine.sequence().pin();
    await tool.choose(promptOf(0, 33), GREEDY);
    const numbers = expect.objectContaining({ needed: 400, available: 300 });
    const refused = expect.objectContaining({ code: 'OUT_OF_MEMORY', data: numbers });
    expect(() => tool.fork()).toThrow(refused);
    expect(await tool.choose([5], GREEDY)).toBe(tokenAfter([...promptOf(0, 33), 5]));
  });
});

describe('a session that is disposed of', () => {
  it('while it waits for memory ends at once, and those behind it are admitted', async () => {
    const { engine } = engineOf({ pages: 8 });
    const holder = sessionOf(engine).generate(promptOf(0, 33), { maxTokens: 30 });
    await holder.next();
    const waiting = sessionOf(engine);
    const ended = waiting.generate(promptOf(1, 90), { maxTokens: 20 }).result.catch((error) => error);
    const behind = sessionOf(engine).generate(promptOf(1, 3), { maxTokens: 5 }).result;
    await turnsOfTheLoop(20);
    waiting.dispose();
    expect(await ended).toMatchObject({ code: 'DISPOSED' });
    expect((await behind).tokens).toBe(5);
    expect((await holder.result).tokens).toBe(30);
  });

  it('in a step ends with the error of sessions that are disposed of, and others go on', async () => {
    const { engine, program } = engineOf({ pages: 30 });
    const [gone, other] = [sessionOf(engine), sessionOf(engine)];
    let steps = 0;
    program.onStep = ({ sequences }) => {
      if (sequences.length === 2 && ++steps === 3) gone.dispose();
    };
    const ended = gone.generate(promptOf(0, 20), { maxTokens: 20 }).result.catch((error) => error);
    const found = await other.generate(promptOf(1, 20), { maxTokens: 20 }).result;
    expect(await ended).toMatchObject({ code: 'DISPOSED' });
    expect(found.ids).toEqual(continuation(promptOf(1, 20), 20));
    other.dispose();
    engine.memory.prefixes.clear();
    expect([gone.cacheBytes, program.pages.live.size]).toEqual([0, 0]);
  });
});

describe('pages', () => {
  it('are not released twice where a cache is cut back while one of its pages is copied', async () => {
    const store = new SlowPages(0);
    const pool = new PagePool(store, 1000, () => false);
    const cache = new PagedCache(pool);
    cache.makeWritable(0, 20);
    const fork = cache.fork(20);
    const copying = fork.makeWritable(20, 21);
    fork.release();
    await copying;
    expect([pool.pages, store.live.size, fork.pages.length]).toEqual([2, 2, 0]);
    cache.release();
    expect([pool.pages, store.live.size]).toEqual([0, 0]);
  });

  it('that do not fit are refused with what is left', () => {
    const pool = new PagePool(new SlowPages(0), 250, () => false);
    for (let i = 0; i < 2; i++) pool.take();
    const numbers = expect.objectContaining({ needed: 100, available: 50 });
    expect(() => pool.take()).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY', data: numbers }));
  });
});
