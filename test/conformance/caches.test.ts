/**
 * A sequence has the same bits alone and beside others, whatever pieces its tokens are computed in, wherever its pages lie and
 * whatever they held before, with any number of threads: on every backend, in every format of keys and values.
 */
import { describe, expect, it } from 'vitest';
import { reference } from '../../src/backends/reference/index.ts';
import { type Random, seededRandom } from '../../src/core/random.ts';
import { attention } from '../../src/graph/ops/attention.ts';
import { rope } from '../../src/graph/ops/rope.ts';
import type { Program } from '../../src/graph/program.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { Pages } from './pages.ts';
import { availableTargets, type Target } from './targets.ts';
import { TestGraph, VOCABULARY } from './testGraph.ts';

/** Tokens of the longest sequence: more than a chunk of attention (kernels/core/attention.ts). */
const LONGEST = 300;
const LIMITS = { maxTokens: 64, maxRows: 64, context: 320 };

/** Attention of several kinds over tables by token, so that products have no part in it. */
function attentionGraph(): TestGraph {
  const test = new TestGraph(3);
  const kinds = [
    { heads: 4, kvHeads: 2, headSize: 32, window: 0, softcap: 0 },
    { heads: 6, kvHeads: 1, headSize: 32, window: 40, softcap: 20 },
    { heads: 3, kvHeads: 3, headSize: 64, window: 270, softcap: 0 },
    { heads: 9, kvHeads: 1, headSize: 32, window: 0, softcap: 5 },
  ];
  for (const [layer, kind] of kinds.entries()) {
    const turning = {
      headSize: kind.headSize,
      layout: 'half',
      frequencies: Float32Array.of(1, 0.1),
      magnitude: 1,
    } as const;
    const of = (heads: number) => test.rows(heads * kind.headSize);
    const [q, k, v] = [rope(of(kind.heads), turning), rope(of(kind.kvHeads), turning), of(kind.kvHeads)];
    test.output(`layer ${layer}`, attention(q, k, v, { layer, ...kind, scale: 0.3 }));
  }
  return test;
}

async function attentionProgram({ backend, settings }: Pick<Target, 'backend' | 'settings'>): Promise<Program> {
  const { graph, store: weights } = attentionGraph();
  return backend.compile(graph, { weights, ...LIMITS, settings });
}

/** A sequence of a round: its tokens, and how far it has been computed. */
interface Plan {
  readonly tokens: readonly number[];
  readonly pages: Pages;
  done: number;
  /** Values by output and token. */
  readonly values: Map<string, Float32Array>;
}

/** Computes sequences in random pieces, several in a step, until all are done. */
async function runAll(program: Program, plans: readonly Plan[], random: Random, most: number): Promise<void> {
  for (let open = [...plans]; open.length > 0; open = plans.filter(({ tokens, done }) => done < tokens.length)) {
    let room = LIMITS.maxTokens;
    const parts = open.flatMap((plan) => {
      const count = Math.min(1 + random.integer(most), plan.tokens.length - plan.done, room);
      room -= count;
      return count > 0 ? [{ plan, count }] : [];
    });
    const sequences = parts.map(({ plan: { tokens, done, pages }, count }) => {
      return { tokens: tokens.slice(done, done + count), position: done, pages: pages.upTo(done + count) };
    });
    const rows = Array.from({ length: LIMITS.maxTokens - room }, (_, row) => row);
    const threads = 1 + random.integer(2);
    const result = program.run({ sequences, rows, threads });
    for (const name of program.graph.outputs.keys()) {
      const all = await result.output(name);
      const width = all.length / rows.length;
      let row = 0;
      for (const { plan, count } of parts)
        for (let i = 0; i < count; i++, row++)
          plan.values.set(`${name}, token ${plan.done + i}`, all.slice(row * width, (row + 1) * width));
    }
    for (const { plan, count } of parts) plan.done += count;
  }
}

const targets = [{ name: 'reference', backend: reference }, ...(await availableTargets())];

/** Runs texts alone, token by token, and then together in pieces of several sizes. */
async function expectSameBits(program: Program, kv: string, lengths: readonly number[]): Promise<void> {
  const store = program.openPages(formatByName(kv));
  const random = seededRandom(kv.length);
  const plan = (tokens: readonly number[]): Plan => ({ tokens, pages: new Pages(store), done: 0, values: new Map() });
  const texts = lengths.map((length) => Array.from({ length }, () => random.integer(VOCABULARY)));
  const alone = texts.map(plan);
  for (const each of alone) await runAll(program, [each], random, 1);
  for (const { pages } of alone) pages.release();
  for (const most of [1, 7, LIMITS.maxTokens]) {
    const together = texts.map(plan);
    await runAll(program, together, random, most);
    for (const { pages } of together) pages.release();
    for (const [i, { values }] of together.entries())
      for (const [name, row] of values)
        if (!sameBits(row, alone[i].values.get(name)!))
          expect.fail(`pieces of ${most}, sequence ${i}: ${name} differs`);
  }
  program.dispose();
}

describe.each(targets)('sequences of $name', (target) => {
  const lengths = target.backend === reference ? [20, 5, 17] : [LONGEST, 5, 40, 100];

  it.each(['F32', 'F16', 'Q8_0'])('have the same bits alone and in company, keys and values in %s', async (kv) => {
    await expectSameBits(await attentionProgram(target), kv, lengths);
  });
});

function sameBits(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}
