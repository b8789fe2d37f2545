import { describe, expect, it } from 'vitest';
import { formatByName } from '../tensor/formats.ts';
import { gradients, trainableWeights } from './gradients.ts';
import { Graph, type Value } from './graph.ts';
import { accumulate } from './ops/accumulate.ts';
import { adamW } from './ops/adamW.ts';
import { add } from './ops/add.ts';
import { crossEntropy } from './ops/crossEntropy.ts';
import { deltaRule } from './ops/deltaRule.ts';
import { embed } from './ops/embed.ts';
import { input } from './ops/input.ts';
import { linear } from './ops/linear.ts';
import { rope } from './ops/rope.ts';
import { selectiveScan } from './ops/selectiveScan.ts';
import { state } from './ops/state.ts';
import { sumRows } from './ops/sumRows.ts';
import { tokens } from './ops/tokens.ts';
import { weight } from './ops/weight.ts';
import { weightedSum } from './ops/weightedSum.ts';

const [VOCABULARY, WIDTH] = [11, 4];

/** A small model: embedding, rope with factors, linear layers, cross-entropy. */
function small(format = 'F32') {
  const graph = new Graph();
  const floats = (name: string, rows: number, columns: number) =>
    weight(graph, name, formatByName('F32'), rows, columns);
  const table = floats('table', VOCABULARY, WIDTH);
  const factors = floats('factors', 1, 2);
  const frequencies = Float32Array.of(1, 0.1);
  const turning = { headSize: WIDTH, layout: 'half', frequencies, magnitude: 1 } as const;
  const x = rope(embed(table, tokens(graph)), turning, factors);
  const matrix = weight(graph, 'matrix', formatByName(format), WIDTH, WIDTH);
  const hidden = linear(add(linear(x, matrix), x), matrix);
  const targets = input(graph, 'targets', 'T', 1, 'i32');
  const loss = weightedSum(crossEntropy(linear(hidden, table), targets), input(graph, 'weights', 'T', 1, 'f32'));
  return { graph, table, factors, matrix, x, hidden, loss };
}

const names = (values: readonly Value[]) => values.map(({ label }) => label);

describe('gradients', () => {
  it('have the shapes of their weights and intermediate values', () => {
    const { table, matrix, hidden, loss } = small();
    const of = [table, matrix, hidden];
    const found = gradients(loss, of);
    for (const value of of) expect(found.get(value)!.shape).toEqual(value.shape);
  });

  it('adds only the nodes that the requested gradients need', () => {
    const { graph, hidden, loss } = small();
    const before = graph.nodes.length;
    gradients(loss, [hidden]);
    const added = graph.nodes.slice(before).map(({ op }) => op.name);
    expect(added).toEqual(['constant', 'weightedSumGradient', 'crossEntropyGradient', 'linearInputGradient']);
  });

  it('adds each partial gradient to its accumulator at once', () => {
    const { graph, table, matrix, loss } = small();
    const sum = state(graph, 'gradient/table', VOCABULARY, WIDTH);
    const found = gradients(loss, [table, matrix], { accumulators: new Map([[table, sum]]) });
    const last = found.get(table)!;
    expect(last.op.name).toBe('accumulate');
    expect(last.inputs[0].op.name).toBe('accumulate');
    expect(last.inputs[0].inputs[0]).toBe(sum);
    // the head's partial gradient is added long before the embedding's is computed
    expect(last.inputs[0].id).toBeLessThan(found.get(matrix)!.id);
    expect(found.get(matrix)!.op.name).toBe('add');
  });

  it('recomputes each value that is not a checkpoint once', () => {
    const { graph, x, table, matrix, loss } = small();
    const before = graph.nodes.length;
    gradients(loss, [table, matrix], { checkpoint: (value) => value === x });
    const added = graph.nodes.slice(before);
    const copies = added.filter(({ label }) => label.endsWith('.recomputed')).map(({ op }) => op.name);
    expect(copies.filter((name) => name === 'rope')).toEqual([]);
    expect(copies.filter((name) => name === 'add')).toHaveLength(1);
    // of the forward pass, only the checkpoint, the weights and the step's inputs are read
    const backward = graph.live(added).filter(({ id }) => id >= before);
    const read = new Set(backward.flatMap(({ inputs }) => inputs).filter(({ id }) => id < before));
    expect([...read].filter((value) => value.inputs.length > 0)).toEqual([x]);
  });

  it('rejects a loss that is not a single number', () => {
    const { hidden, table } = small();
    expect(() => gradients(hidden, [table])).toThrow('the loss is not a single number');
  });

  it('rejects a quantized weight', () => {
    const { loss, matrix } = small('F16');
    expect(() => gradients(loss, [matrix])).toThrow('a weight in F16 has no gradient');
  });

  it('rejects a value that the loss does not depend on', () => {
    const { graph, loss } = small();
    const other = weight(graph, 'other', formatByName('F32'), 1, 1);
    expect(() => gradients(loss, [other])).toThrow('the loss does not depend on a value');
  });

  it('rejects an input without a gradient', () => {
    const { loss, factors } = small();
    expect(() => gradients(loss, [factors])).toThrow('rope: no gradient with respect to input 1');
  });

  it('rejects recurrences and names them', () => {
    const { graph, hidden, table } = small();
    const one = weight(graph, 'one', formatByName('F32'), 1, 1);
    const sums = [hidden, hidden].map(() => linear(hidden, weight(graph, 'w', formatByName('F32'), 1, WIDTH)));
    const [g, beta] = sums as [Value, Value];
    const rule = deltaRule(hidden, linear(hidden, table), g, beta, { layer: 0, keyHeads: 1, order: 'blocks' });
    const scan = selectiveScan({ x: hidden, delta: g, b: beta, c: beta, a: one, d: one }, { layer: 1, groups: 1 });
    for (const y of [rule, scan]) {
      const loss = weightedSum(
        linear(y, weight(graph, 'v', formatByName('F32'), 1, y.shape[1])),
        input(graph, 'w', 'T', 1, 'f32'),
      );
      expect(() => gradients(loss, [table])).toThrow(`the gradient of op ${y.op.name} is not supported`);
    }
  });

  it('rejects an op without a gradient rule and names it', () => {
    const graph = new Graph();
    const row = weight(graph, 'row', formatByName('F32'), 1, 1);
    expect(() => gradients(sumRows(row), [row])).toThrow('the gradient of op sumRows is not supported; supported: ');
  });
});

describe('trainable weights', () => {
  it('are the F32 weights that have a gradient', () => {
    expect(names(trainableWeights(small().loss))).toEqual(['table', 'matrix']);
    expect(names(trainableWeights(small('Q8_0').loss))).toEqual(['table']);
  });
});

describe('ops that change a state or weight', () => {
  const graph = new Graph();
  const square = (name: string) => state(graph, name, 2, 2);
  const settings = input(graph, 'settings', 1, 7, 'f32');
  const factor = input(graph, 'factor', 1, 1, 'f32');
  const floats = weight(graph, 'floats', formatByName('F32'), 2, 2);

  it('accumulate adds a gradient to a state of the same shape', () => {
    expect(() => accumulate(floats, square('a'))).toThrow('accumulate: the sum is not a state');
    expect(() => accumulate(square('a'), factor)).toThrow('accumulate: shapes differ');
  });

  it('adamW updates an F32 weight with an accumulated gradient', () => {
    const [m, v] = [square('m'), square('v')];
    const gradient = accumulate(square('g'), square('other'));
    const inputs = { weight: floats, gradient, m, v, settings, factor };
    expect(adamW(inputs, { decays: true }).shape).toEqual([0, 1]);
    const halves = weight(graph, 'halves', formatByName('F16'), 2, 2);
    expect(() => adamW({ ...inputs, weight: halves }, { decays: true })).toThrow('the weight is not an F32 weight');
    expect(() => adamW({ ...inputs, gradient: m }, { decays: true })).toThrow('the gradient is not accumulated');
    expect(() => adamW({ ...inputs, m: floats }, { decays: true })).toThrow('the moments are not states');
    expect(() => adamW({ ...inputs, settings: factor }, { decays: true })).toThrow('expected settings [1, 7]');
    expect(() => adamW({ ...inputs, factor: settings }, { decays: true })).toThrow('expected a factor [1, 1]');
  });
});
