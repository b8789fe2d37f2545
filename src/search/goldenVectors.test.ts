import { describe, expect, it } from 'vitest';
import { wasm } from '../backends/wasm/index.ts';
import { Graph } from '../graph/graph.ts';
import { input } from '../graph/ops/input.ts';
import { linear } from '../graph/ops/linear.ts';
import { weight } from '../graph/ops/weight.ts';
import { formatByName } from '../tensor/formats.ts';
import { type GoldenBlocks, type GoldenNumbers, type GoldenVector, goldenVectors } from './goldenVectors.ts';

const { vectors } = await goldenVectors();
const products = vectors.filter(({ op }) => op === 'linear');
const formatOf = ({ inputs }: GoldenVector) => (inputs.weight as GoldenBlocks).format;

describe('golden vectors', () => {
  it('are the same with the same seed, and integers', async () => {
    expect(await goldenVectors()).toEqual(await goldenVectors());
    const other = await goldenVectors(2);
    expect(other.vectors).not.toEqual(vectors);
    for (const { output, inputs } of vectors)
      for (const numbers of [output, ...Object.values(inputs)])
        if ('values' in numbers)
          expect(numbers.values.every((value) => Number.isInteger(value) && Math.abs(value) < 2 ** 31)).toBe(true);
    expect(new Set(vectors.map(({ op }) => op))).toEqual(
      new Set(['linear', 'activation', 'add', 'multiply', 'rmsNorm', 'rope', 'attention']),
    );
    expect(products.map(formatOf)).toEqual(expect.arrayContaining(['Q4_0', 'Q8_0', 'Q4_K', 'Q6_K']));
  });

  it.each(products.map((vector) => [formatOf(vector), vector] as const))(
    'of %s are what our kernels compute',
    async (name, vector) => {
      const x = vector.inputs.x as GoldenNumbers;
      const matrix = vector.inputs.weight as GoldenBlocks;
      const [T, columns] = x.shape as [number, number];
      const bytes = Uint8Array.from(matrix.hex.match(/../g)!, (byte) => Number.parseInt(byte, 16));
      const graph = new Graph();
      const given = input(graph, 'x', 'T', columns, 'f32');
      graph.outputs.set(
        'y',
        linear(given, weight(graph, 'w', formatByName(name), matrix.shape[0], columns), undefined, 'y'),
      );
      const program = await wasm.compile(graph, {
        maxTokens: T,
        maxRows: T,
        context: T,
        settings: { threads: 1, variant: 'baseline' },
        weights: {
          async readRows(_, from, into) {
            const rowBytes = bytes.length / matrix.shape[0];
            into.set(bytes.subarray(from * rowBytes, from * rowBytes + into.length));
          },
        },
      });
      const tokens = Array.from({ length: T }, (_, i) => i);
      const y = await program
        .run({ tokens, rows: tokens, outputs: ['y'], inputs: { x: Float32Array.from(x.values) } })
        .output('y');
      program.dispose();
      const most = Math.max(...vector.output.values.map(Math.abs));
      const differences = vector.output.values.map((value, i) => Math.abs(value - y[i]));
      // Q8_0 and some others quantize activations to 16 bits
      expect(Math.max(...differences)).toBeLessThanOrEqual(name === 'Q4_0' ? 0 : 1e-3 * most);
    },
  );
});
