/** Steps that run a part of the layers, and programs that share weights, on every backend: the same bits as a whole program. */
import { describe, expect, it } from 'vitest';
import { reference } from '../../src/backends/reference/index.ts';
import { seededRandom } from '../../src/core/random.ts';
import { Graph, type Value } from '../../src/graph/graph.ts';
import { add } from '../../src/graph/ops/add.ts';
import { attention } from '../../src/graph/ops/attention.ts';
import { embed } from '../../src/graph/ops/embed.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { rmsNorm } from '../../src/graph/ops/rmsNorm.ts';
import { rope } from '../../src/graph/ops/rope.ts';
import { selectRows } from '../../src/graph/ops/selectRows.ts';
import { tokens } from '../../src/graph/ops/tokens.ts';
import { weight } from '../../src/graph/ops/weight.ts';
import type { Program, WeightStore } from '../../src/graph/program.ts';
import type { KeptRow, StepResult } from '../../src/graph/step.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { seedOf } from './case.ts';
import { Pages } from './pages.ts';
import { availableTargets, type Target } from './targets.ts';

const WIDTH = 64;
const VOCABULARY = 48;
const LIMITS = { maxTokens: 32, maxRows: 32, context: 96 };
const F32 = formatByName('F32');
const turning = { headSize: 16, layout: 'half', frequencies: Float32Array.of(1, 0.3, 0.1), magnitude: 1 } as const;

/** A small decoder. @param layers numbers of its layers @param exit layer with an output of its own @param rows of the output matrix */
function decoder(layers: readonly number[], exit?: number, rows = VOCABULARY): Graph {
  const graph = new Graph();
  const matrix = (name: string, outputs: number, inputs = WIDTH, format = 'Q8_0') =>
    weight(graph, name, formatByName(format), outputs, inputs);
  const norm = (x: Value, name: string) => rmsNorm(x, matrix(name, 1, WIDTH, 'F32'), 1e-5);
  const logits = (x: Value) => linear(norm(selectRows(x), 'output_norm'), matrix('output', rows), undefined, 'output');
  // every position needs values that no cut has
  const places = embed(matrix('embedding', VOCABULARY), tokens(graph));
  let x: Value = places;
  for (const layer of layers) {
    const normed = norm(x, `${layer}.norm`);
    const [q, k, v] = ['q', 'k', 'v'].map((name) => linear(normed, matrix(`${layer}.${name}`, name === 'q' ? 64 : 32)));
    const kind = { layer, heads: 4, kvHeads: 2, headSize: 16, scale: 0.25, window: 0, softcap: 0 };
    x = add(
      x,
      linear(attention(rope(q, turning), rope(k, turning), v, kind, `${layer}.attention`), matrix(`${layer}.o`, WIDTH)),
    );
    x = add(x, linear(add(norm(x, `${layer}.ffn_norm`), places), matrix(`${layer}.ffn`, WIDTH)));
    graph.cuts.set(`blk.${layer}`, x);
    if (layer === exit) {
      graph.outputs.set('exit', logits(x));
      graph.exits.set('exit', x);
    }
  }
  graph.outputs.set('logits', logits(x));
  return graph;
}

/** Random weights by name, the same for every graph. */
const store: WeightStore = {
  async readRows({ attributes: { tensor, format }, shape }, from, into) {
    const [rows, columns] = [tensor === 'output' ? VOCABULARY : Number(shape[0]), shape[1]];
    const random = seededRandom(seedOf(tensor));
    const values = Float32Array.from({ length: rows * columns }, () => random.normal() / 6);
    const bytes = new Uint8Array((rows * columns * format.blockBytes) / format.blockSize);
    format.encode(values, 0, bytes, 0, values.length / format.blockSize);
    const rowBytes = bytes.length / rows;
    into.set(bytes.subarray(from * rowBytes, from * rowBytes + into.length));
  },
};

async function compiled(graph: Graph, { backend, settings }: Pick<Target, 'backend' | 'settings'>): Promise<Program> {
  return backend.compile(graph, { weights: store, ...LIMITS, settings });
}

/** A sequence of one program, of which steps compute tokens. */
class Text {
  readonly pages: Pages;
  position = 0;

  constructor(program: Program) {
    this.pages = new Pages(program.openPages(F32));
  }

  part(tokens: readonly number[], position = this.position) {
    this.position = position + tokens.length;
    return { sequences: [{ tokens, position, pages: this.pages.upTo(this.position) }], rows: tokens.map((_, i) => i) };
  }
}

const rowsOf = (from: StepResult, count: number): KeptRow[] =>
  Array.from({ length: count }, (_, row) => ({ from, row }));
const prompt = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3];

const targets = [{ name: 'reference', backend: reference }, ...(await availableTargets())];

describe.each(targets)('segments of $name', (target) => {
  it('stop after a layer and continue from the rows kept there', async () => {
    const program = await compiled(decoder([0, 1, 2, 3], 1), target);
    const whole = new Text(program);
    const wanted = [prompt, [7], [8], [9], [10, 11]].map((tokens) => program.run(whole.part(tokens)));
    const cut = new Text(program);
    const first = program.run({ ...cut.part(prompt), until: 'blk.1', outputs: ['exit'] });
    const other = program.run(new Text(program).part([30, 31, 32]));
    const rest = program.run({
      ...cut.part(prompt, 0),
      from: { cut: 'blk.1', rows: rowsOf(first, prompt.length) },
      outputs: ['logits'],
    });
    expect(await rest.output('logits')).toEqual(await wanted[0].output('logits'));
    expect(await first.output('exit')).toEqual(await wanted[0].output('exit'));

    // three tokens leave at the exit, then one step catches up, in two segments
    const early = [7, 8, 9].map((token) => program.run({ ...cut.part([token]), until: 'blk.1', outputs: ['exit'] }));
    for (const [i, result] of early.entries())
      expect(await result.output('exit')).toEqual(await wanted[i + 1].output('exit'));
    const rows = early.map((from) => ({ from, row: 0 }));
    const middle = program.run({ ...cut.part([7, 8, 9], prompt.length), from: { cut: 'blk.1', rows }, until: 'blk.2' });
    const caughtUp = program.run({
      ...cut.part([7, 8, 9], prompt.length),
      from: { cut: 'blk.2', rows: rowsOf(middle, 3) },
      outputs: ['logits'],
    });
    const logits = await caughtUp.output('logits');
    for (const row of [0, 1, 2])
      expect(logits.slice(row * VOCABULARY, (row + 1) * VOCABULARY)).toEqual(await wanted[row + 1].output('logits'));
    expect(await program.run(cut.part([10, 11])).output('logits')).toEqual(await wanted[4].output('logits'));
    await other.finished();
    program.dispose();
  });

  it('refuse a past that lacks layers, and what is no segment', async () => {
    const program = await compiled(decoder([0, 1, 2, 3], 1), target);
    const text = new Text(program);
    const first = program.run({ ...text.part([1, 2, 3]), until: 'blk.1' });
    expect(() => program.run(text.part([4]))).toThrow(/layers 2, 3, which position 0 lacks/);
    text.position = 3;
    program.run({ ...text.part([4]), until: 'blk.0' });
    expect(() => program.run({ ...text.part([5]), until: 'blk.1' })).toThrow(/layers 1, which position 3 lacks/);
    const step = { ...text.part([1, 2, 3], 0), outputs: ['logits'] };
    const from =
      (rows: KeptRow[], cut = 'blk.1') =>
      () =>
        program.run({ ...step, from: { cut, rows } });
    expect(() => program.run({ ...step, until: 'blk.1' })).toThrow(/output is logits.*leaves out/);
    expect(() => program.run({ ...step, outputs: [], until: 'blk.9' })).toThrow(
      /cut is blk.9, expected one of blk.0, blk.1/,
    );
    expect(from(rowsOf(first, 2))).toThrow(/from.rows is 2, expected 3/);
    expect(from(rowsOf(first, 3), 'blk.0')).toThrow(/row of a cut/);
    expect(from([...rowsOf(first, 2), { from: first, row: 3 }])).toThrow(/row of a cut is 3/);
    expect(() =>
      program.run({ ...step, outputs: [], until: 'blk.1', from: { cut: 'blk.1', rows: rowsOf(first, 3) } }),
    ).toThrow(/until is blk.1/);
    // the refused steps have changed nothing
    from(rowsOf(first, 3))();
    expect(await program.run(text.part([4], 3)).output('logits')).toHaveLength(VOCABULARY);
    program.dispose();
  });

  it('share weights between programs, whose steps alternate', async () => {
    const program = await compiled(decoder([0, 1, 2, 3], 1), target);
    const before = program.memoryBytes;
    const graphs = [decoder([0, 1, 3]), decoder([0, 1, 2, 3], 2, 16)];
    const derived = await Promise.all(graphs.map((graph) => program.derive(graph)));
    if (target.backend !== reference) expect(program.memoryBytes - before).toBeLessThan(0.5 * before);
    const apart = await Promise.all(graphs.map((graph) => compiled(graph, target)));
    const texts = [program, ...derived].map((each) => [new Text(each), new Text(each)] as const);
    const alone = apart.map((each) => new Text(each));
    for (const tokens of [prompt, [7], [8, 9]]) {
      const all = program.run(texts[0][0].part(tokens));
      for (const [i, each] of derived.entries()) {
        const result = each.run(texts[i + 1][0].part(tokens));
        program.run(texts[0][1].part([1]));
        const expected = apart[i].run(alone[i].part(tokens));
        expect(await result.output('logits')).toEqual(await expected.output('logits'));
      }
      // a program with fewer outputs, and one that takes over a sequence from the other
      const logits = await all.output('logits');
      const few = await derived[1].run({ ...texts[0][0].part([11]), outputs: ['logits'] }).output('logits');
      expect(few).toHaveLength(16);
      texts[0][0].position--;
      expect(logits).toHaveLength(tokens.length * VOCABULARY);
    }
    // a text of fewer layers is no past for all of them
    expect(() => program.run(texts[1][0].part([1]))).toThrow(/layers 2, which position 0 lacks/);
    derived[0].dispose();
    expect(await program.run(texts[0][0].part([5])).output('logits')).toHaveLength(VOCABULARY);
    expect(() => derived[0].run(texts[1][1].part([1]))).toThrow(/disposed/);
    program.dispose();
    expect(() => derived[1].run(texts[2][1].part([1]))).toThrow(/disposed/);
    for (const each of apart) each.dispose();
  });

  it('refuse a derived program with other weights or layers', async () => {
    const program = await compiled(decoder([0, 1]), target);
    await expect(program.derive(decoder([0, 1, 2]))).rejects.toThrow(/tensor is 2\.|keys of layer 2/);
    await expect(program.derive(decoder([0, 1], 1, VOCABULARY + 8))).rejects.toThrow(/tensor is output/);
    program.dispose();
  });
});
