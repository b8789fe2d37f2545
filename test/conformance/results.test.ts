/** Step results stay valid after later steps, steps can choose tokens, and memory needs are known in advance. On every backend. */
import { describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { reference } from '../../src/backends/reference/index.ts';
import { wasm } from '../../src/backends/wasm/index.ts';
import { OptionError } from '../../src/core/errors.ts';
import { openGguf } from '../../src/formats/gguf/checkpoint.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import type { BatchStep, SequencePart } from '../../src/graph/step.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { weightStore } from '../../src/models/weightStore.ts';
import type { ChoiceRule } from '../../src/sampling/chooseToken.ts';
import { blockFormats, formatByName } from '../../src/tensor/formats.ts';
import { availableTargets, type Target } from './targets.ts';
import { TestGraph } from './testGraph.ts';

const CONTEXT = 16;
const limits = { maxTokens: 8, maxRows: 8, context: CONTEXT };
const F32 = formatByName('F32');
const greedy: ChoiceRule = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, recent: [], uniform: 0 };

async function compiled({ backend, settings }: Pick<Target, 'backend' | 'settings'>) {
  const dimensions = { width: 64, heads: 4, kvHeads: 2, headSize: 32, ffn: 64, layers: 2, vocabulary: 64 };
  const bytes = await makeModel({ architecture: 'llama', format: 'F32', dimensions });
  const model = buildModel(await openGguf(memorySource(bytes, 'llama')), CONTEXT);
  return backend.compile(model.graph, { weights: weightStore(model), ...limits, settings });
}

const targets = [{ name: 'reference', backend: reference }, ...(await availableTargets())];

describe.each(targets)('steps of $name', (target) => {
  it('have results that later steps do not change', async () => {
    const program = await compiled(target);
    const steps = [[1, 2, 3], [4], [5, 6]];
    const run = (tokens: readonly number[]) => program.run({ tokens, rows: tokens.map((_, row) => row) });
    const alone: Float32Array[] = [];
    for (const tokens of steps) alone.push(await run(tokens).output('logits'));
    const results = steps.map(run);
    for (const [i, result] of results.entries()) expect(await result.output('logits')).toEqual(alone[i]);
    program.dispose();
  });

  it('choose tokens greedily or by a random number, and continue with the chosen token', async () => {
    const program = await compiled(target);
    const rules = [
      greedy,
      { ...greedy, temperature: 2, uniform: 0.4 },
      { ...greedy, repetitionPenalty: 9, recent: [7] },
    ];
    const rows = [0, 1, 2];
    const step = { tokens: [3, 4, 5], sequence: 1, rows };
    const logits = await program.run(step).output('logits');
    const choosing = program.run({ ...step, outputs: ['logits'], choose: { output: 'logits', rules } });
    const chosen = await choosing.choices();
    expect(chosen[0]).toBe(logits.indexOf(Math.max(...logits.subarray(0, 64))));
    expect(await choosing.output('logits')).toEqual(logits);

    const named = program.run({ ...step, tokens: rows.map((row) => ({ from: choosing, row })) });
    const given = program.run({ ...step, tokens: chosen });
    expect(await named.output('logits')).toEqual(await given.output('logits'));
    program.dispose();
  });

  it('throw errors that name unknown outputs', async () => {
    const program = await compiled(target);
    const other = await compiled({ backend: target.backend === reference ? wasm : reference });
    const run = (step: Partial<BatchStep>) => () => program.run({ tokens: [1], rows: [0], ...step });
    expect(run({ outputs: ['nothing'] })).toThrow(/output is nothing, expected one of hidden, logits/);
    expect(run({ choose: { output: 'logits', rules: [] } })).toThrow(OptionError);
    expect(run({ tokens: [] })).toThrow(OptionError);
    expect(run({ tokens: new Int32Array(9), rows: [] })).toThrow(/tokens is 9, expected 1 to 8/);
    expect(run({ rows: [1] })).toThrow(/rows.0. is 1, expected the index/);
    expect(run({ threads: 0 })).toThrow(/threads is 0/);
    const [own, foreign] = [program, other].map((each) => each.openPages(F32).allocate());
    const continuing = (sequence: Partial<SequencePart>) => () =>
      program.run({ rows: [0], sequences: [{ tokens: [1], position: 0, pages: [own], ...sequence }] });
    expect(continuing({ pages: [foreign] })).toThrow(/page is of another program/);
    expect(continuing({ position: 16 })).toThrow(/position is 16, expected room for 1 tokens in 1 pages, 16 positions/);
    expect(continuing({ position: -1 })).toThrow(/position is -1/);
    expect(continuing({ pages: [own, own], position: 16 })).toThrow(
      /position is 16, expected 1 tokens within the context of 16/,
    );
    expect(continuing({ tokens: [] })).toThrow(/tokens of a sequence is 0/);
    expect(continuing({ pages: [] })).toThrow(/position is 0, expected room/);
    own.store.release(own);
    expect(continuing({})).toThrow(/page is .*released/);
    expect(() => own.store.release(own)).toThrow(/released/);
    await expect(run({ outputs: [] })().output('logits')).rejects.toThrow(OptionError);
    await expect(run({})().choices()).rejects.toThrow(OptionError);
    const { backend } = target;
    await expect(backend.memoryNeeds(program.graph, limits, F32, { colour: 1 })).rejects.toThrow(/setting colour/);
    program.dispose();
    other.dispose();
  });
});

describe('memory estimate of the wasm backend', () => {
  it.each(blockFormats.map(({ name }) => name))('is within 5%% of the actual memory: weights in %s', async (format) => {
    const test = new TestGraph(1);
    test.output('y', linear(test.rows(768), test.blocks(formatByName(format), 500, 768)));
    const settings = { threads: 2 };
    const { weightBytes, activationBytes } = await wasm.memoryNeeds(test.graph, limits, F32, settings);
    const program = await wasm.compile(test.graph, { weights: test.store, ...limits, settings });
    const needed = weightBytes + activationBytes;
    expect(Math.abs(needed / program.memoryBytes - 1)).toBeLessThan(0.05);
    program.dispose();
  });
});
