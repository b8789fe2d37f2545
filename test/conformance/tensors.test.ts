/** Reading and writing weights and states, on every backend. */
import { describe, expect, it } from 'vitest';
import { reference } from '../../src/backends/reference/index.ts';
import { accumulate } from '../../src/graph/ops/accumulate.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { rmsNorm } from '../../src/graph/ops/rmsNorm.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { availableTargets } from './targets.ts';
import { TestGraph } from './testGraph.ts';

const targets = [{ name: 'reference', backend: reference }, ...(await availableTargets())];

describe.each(targets)('tensors of $name', ({ backend, ...options }) => {
  const compiled = async () => {
    const test = new TestGraph(1);
    const matrix = test.floats(13, 21);
    const halves = test.blocks(formatByName('F16'), 3, 21);
    const gain = test.floats(1, 13);
    const x = test.rows(21);
    test.output('y', rmsNorm(linear(x, matrix), gain, 1e-5));
    test.output('z', linear(x, halves));
    test.output('sum', accumulate(test.state(5, 3), test.input(5, 3)));
    const limits = { maxTokens: 4, maxRows: 4, context: 4 };
    const program = await backend.compile(test.graph, { weights: test.store, ...limits, ...options });
    const inputs = test.inputs({ T: 2, P: 0, R: 2, S: 2 });
    return { program, inputs, matrix: matrix.label, halves: halves.label, gain: gain.label, state: test.changing[0] };
  };

  it('are read in row order, with the values that were written', async () => {
    const { program, inputs, matrix, gain, state } = await compiled();
    const run = () => program.run({ tokens: [3, 4], rows: [0, 1], outputs: ['y'] }).output('y');
    const before = await run();
    const [old, oldGain] = [await program.readTensor(matrix), await program.readTensor(gain)];
    expect([old.length, oldGain.length]).toEqual([13 * 21, 13]);
    await program.writeTensor(matrix, new Float32Array(13 * 21));
    expect(Math.max(...(await run()).map(Math.abs))).toBe(0);
    const counted = Float32Array.from(old, (_, i) => i);
    await program.writeTensor(matrix, counted);
    expect(await program.readTensor(matrix)).toEqual(counted);
    await program.writeTensor(matrix, old);
    await program.writeTensor(
      gain,
      oldGain.map((value) => 2 * value),
    );
    expect(await run()).toEqual(before.map((value) => 2 * value));

    const zeros = new Float32Array(15);
    expect(await program.readTensor(state)).toEqual(zeros);
    const result = program.run({ tokens: [3, 4], rows: [0, 1], inputs });
    const added = Object.values(inputs)[0];
    expect(await program.readTensor(state)).toEqual(added);
    expect(await result.output('sum')).toEqual(added);
    await program.writeTensor(state, zeros);
    expect(await program.readTensor(state)).toEqual(zeros);
    program.dispose();
  });

  it('throw for unknown names, other formats and wrong sizes', async () => {
    const { program, matrix, halves } = await compiled();
    await expect(program.readTensor('none')).rejects.toThrow(/tensor is none, expected/);
    await expect(program.writeTensor('none', new Float32Array(1))).rejects.toThrow(/tensor is none, expected/);
    await expect(program.readTensor(halves)).rejects.toThrow(/in F16, expected/);
    await expect(program.writeTensor(matrix, new Float32Array(3))).rejects.toThrow(/is 3 numbers, expected 273/);
    program.dispose();
  });

  it('need exactly the inputs of the requested outputs', async () => {
    const { program } = await compiled();
    program.run({ tokens: [1], rows: [0], outputs: ['y', 'z'] });
    expect(() => program.run({ tokens: [1], rows: [0] })).toThrow(
      /inputs.input 0 is missing, expected a Float32Array of 5 × 3/,
    );
    program.dispose();
  });
});
