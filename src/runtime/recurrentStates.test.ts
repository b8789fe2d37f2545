/** Sequences of a graph with recurrent states: whatever happened before, logits are those of the tokens computed afresh. */
import { describe, expect, it } from 'vitest';
import { seedOf } from '../../test/conformance/case.ts';
import { TestGraph, VOCABULARY } from '../../test/conformance/testGraph.ts';
import { reference } from '../backends/reference/index.ts';
import { wasm } from '../backends/wasm/index.ts';
import { seededRandom } from '../core/random.ts';
import type { Value } from '../graph/graph.ts';
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { attention } from '../graph/ops/attention.ts';
import { deltaRule } from '../graph/ops/deltaRule.ts';
import { linear } from '../graph/ops/linear.ts';
import { rmsNorm } from '../graph/ops/rmsNorm.ts';
import { scale } from '../graph/ops/scale.ts';
import { selectiveScan } from '../graph/ops/selectiveScan.ts';
import { selectRows } from '../graph/ops/selectRows.ts';
import { shortConv } from '../graph/ops/shortConv.ts';
import type { Backend } from '../graph/program.ts';
import type { ChoiceRule } from '../sampling/chooseToken.ts';
import { formatByName } from '../tensor/formats.ts';
import { createLenientChatTemplate } from '../tokenizer/chatTemplate.ts';
import { stateInterval } from './cache/stateRoom.ts';
import { Engine } from './engine.ts';
import type { Sequence } from './sequence.ts';

const WIDTH = 16;
const CONTEXT = 200;
const GREEDY: ChoiceRule = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, recent: [], uniform: 0 };

/** Two convolutions around attention over one head, unless not `attends`, then a delta rule and a scan. @param taps of the second one, which sets the size of the state */
async function engineOf(backend: Backend, taps: number, bytes?: number, attends = true): Promise<Engine> {
  const test = new TestGraph(seedOf('recurrent'));
  let x = test.rows(WIDTH);
  x = add(x, shortConv(x, test.floats(WIDTH, 3), { layer: 0 }));
  if (attends) x = attended(test, x);
  x = add(x, shortConv(x, test.floats(WIDTH, taps), { layer: 2 }));
  x = add(x, rule(test, x));
  x = add(x, scan(test, x));
  test.graph.outputs.set('logits', linear(selectRows(x), test.floats(VOCABULARY, WIDTH)));
  const limits = { maxTokens: 40, maxRows: 4, context: CONTEXT };
  const program = await backend.compile(test.graph, { weights: test.store, ...limits });
  return new Engine('recurrent', program, {
    context: CONTEXT,
    kv: formatByName('F32'),
    template: createLenientChatTemplate(undefined),
    cache: { bytes, prefixBytes: bytes },
  });
}

function attended(test: TestGraph, x: Value): Value {
  const kinds = { heads: 1, kvHeads: 1, headSize: 8, scale: 0.3, window: 0, softcap: 0 };
  const [q, k, v] = [0, 1, 2].map(() => linear(x, test.floats(8, WIDTH)));
  return add(x, linear(attention(q, k, v, { layer: 1, ...kinds }), test.floats(WIDTH, 8)));
}

/** A small product, so that states stay small. */
const project = (test: TestGraph, x: Value, width: number): Value => scale(linear(x, test.floats(width, WIDTH)), 0.1);

function rule(test: TestGraph, x: Value): Value {
  const unit = test.floats(1, 4, () => 0.5);
  const decays = scale(activation(project(test, x, 4), 'softplus'), -0.2);
  const betas = activation(project(test, x, 4), 'sigmoid');
  const attributes = { layer: 3, keyHeads: 2, order: 'blocks' } as const;
  return deltaRule(rmsNorm(project(test, x, 16), unit, 1e-6), project(test, x, WIDTH), decays, betas, attributes);
}

function scan(test: TestGraph, x: Value): Value {
  const delta = activation(project(test, x, 4), 'softplus');
  const [b, c] = [project(test, x, 6), project(test, x, 6)];
  const a = test.floats(4, 1, () => -0.5);
  return selectiveScan({ x, delta, b, c, a, d: test.floats(1, 4) }, { layer: 4, groups: 2 });
}

async function afresh(engine: Engine, tokens: readonly number[]): Promise<Float32Array> {
  engine.memory.prefixes.clear();
  const sequence = engine.sequence().pin();
  try {
    return await lastRow(sequence, tokens);
  } finally {
    sequence.free();
  }
}

async function lastRow(sequence: Sequence, tokens: readonly number[]): Promise<Float32Array> {
  let found: Float32Array | undefined;
  const onRow = (_: number, logits: Float32Array) => {
    found = logits.slice();
  };
  await sequence.advance(tokens, { rows: [tokens.length - 1], output: 'logits', onRow });
  return found!;
}

describe.each([reference, wasm])('$name', (backend) => {
  it.each([
    ['a state in every page', 4, undefined, true],
    ['states in few pages', 60, undefined, true],
    ['little memory', 60, 60_000, true],
    ['no keys and values', 4, undefined, false],
  ])('answers from the right past: %s', async (_, taps, bytes, attends) => {
    const engine = await engineOf(backend, taps, bytes, attends);
    const oracle = await engineOf(backend, taps, undefined, attends);
    const random = seededRandom(taps);
    const draw = (count: number) => Array.from({ length: count }, () => random.integer(VOCABULARY));
    const shared = draw(50);
    const sequences = [engine.sequence(), engine.sequence()];
    let reused = 0;
    for (let round = 0; round < 40; round++) {
      const at = random.integer(sequences.length);
      const sequence = sequences[at];
      const old = sequence.tokens.slice(0, random.integer(sequence.tokens.length + 1));
      const prompt = [...(random.integer(3) === 0 ? shared : old), ...draw(1 + random.integer(30))].slice(0, 120);
      reused += await sequence.begin(prompt, prompt.length + 3);
      expect(await lastRow(sequence, prompt.slice(sequence.tokens.length))).toEqual(await afresh(oracle, prompt));
      for (const token of draw(random.integer(4)))
        expect(await lastRow(sequence, [token])).toEqual(await afresh(oracle, [...sequence.tokens]));
      if (random.integer(3) === 0 && sequence.tokens.length < 125) {
        const past = [...sequence.tokens];
        const rules = [0, 0, 0].map(() => GREEDY);
        const first = random.integer(VOCABULARY);
        const chosen = await sequence.verify(first, draw(2), rules);
        expect(sequence.tokens).toEqual([...past, first, ...chosen.slice(0, -1)]);
        expect(await lastRow(sequence, [3])).toEqual(await afresh(oracle, [...sequence.tokens]));
      }
      sequence.end();
      const action = random.integer(6);
      if (action === 0) sequence.rewind(random.integer(sequence.tokens.length + 1));
      if (action === 1) sequences.splice(1 - at, 1, sequence.fork())[0].free();
      if (action === 2) sequences.splice(at, 1, engine.sequence())[0].free();
    }
    expect(reused).toBeGreaterThan(attends ? 200 : 50);
    for (const sequence of sequences) sequence.free();
    engine.memory.prefixes.clear();
    expect(engine.memory.bytes).toBe(0);
    for (const each of [engine, oracle]) each.dispose();
  });

  it('refuses a step at another position than the state', async () => {
    const { program } = await engineOf(backend, 3);
    const pages = program.openPages(formatByName('F32'));
    const page = pages.allocate();
    const step = (position: number, tokens: number[]) =>
      program.run({ sequences: [{ tokens, position, pages: [page] }], rows: [] });
    expect(() => step(0, [1])).toThrow(/state in the page/);
    pages.addState(page);
    step(0, [1, 2, 3]);
    expect(() => step(2, [1])).toThrow(/position is 2, expected 3/);
    expect(() => step(4, [1])).toThrow(/position is 4, expected 3/);
    step(3, [1]);
    program.dispose();
  });
});

it('keeps states at intervals where they take no more than keys and values', () => {
  expect(stateInterval({ pageBytes: 100, stateBytes: 0 })).toBe(1);
  expect(stateInterval({ pageBytes: 100, stateBytes: 100 })).toBe(1);
  expect(stateInterval({ pageBytes: 100, stateBytes: 950 })).toBe(10);
});
