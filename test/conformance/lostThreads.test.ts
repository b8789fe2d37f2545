/** Helper threads that end by themselves: between steps the others go on; in a step it is a typed error, and nothing hangs. */
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { wasm } from '../../src/backends/wasm/index.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import type { Program } from '../../src/graph/program.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { TestGraph } from './testGraph.ts';

afterEach(() => vi.restoreAllMocks());

/** Compiles a product with two threads. @param change of what its helper thread is sent @returns the helper too */
async function compiled(change = (setup: object): object => setup): Promise<{ program: Program; helper: Worker }> {
  const test = new TestGraph(1);
  test.output('y', linear(test.rows(256), test.blocks(formatByName('Q4_0'), 512, 256)));
  const helpers: Worker[] = [];
  const post = Worker.prototype.postMessage;
  vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker, message) {
    helpers.push(this);
    post.call(this, change(message));
  });
  const limits = { maxTokens: 8, maxRows: 8, context: 8 };
  const program = await wasm.compile(test.graph, { weights: test.store, ...limits, settings: { threads: 2 } });
  return { program, helper: helpers[0] };
}

const step = { tokens: [1, 2, 3, 4], rows: [0, 1, 2, 3] };

describe('a helper thread', () => {
  it('that ends between two steps leaves the work to the others', async () => {
    const { program, helper } = await compiled();
    if (Number(program.description.settings.threads) < 2) return console.log('skipped: one processor');
    const expected = await program.run(step).output('y');
    expect(program.description.limits).toEqual([]);
    await helper.terminate();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await program.run(step).output('y')).toEqual(expected);
    expect(program.description.limits).toEqual([expect.stringMatching(/1 of 2 threads: a helper thread ended/)]);
    program.dispose();
  });

  it('that is killed in a step fails the step and the program, and other models go on', async () => {
    const { program, helper } = await compiled();
    if (Number(program.description.settings.threads) < 2) return console.log('skipped: one processor');
    const other = await compiled();
    // nobody hears of its end, as this thread goes on with the step
    void helper.terminate();
    const failure = expect.objectContaining({
      code: 'THREAD_LOST',
      message: expect.stringMatching(/a helper thread ended; load the model again/),
    });
    expect(() => program.run(step)).toThrow(failure);
    expect(() => program.run(step)).toThrow(failure);
    expect(await other.program.run(step).output('y')).toHaveLength(4 * 512);
    program.dispose();
    other.program.dispose();
  });

  it('that fails in a step fails the step and the program, with an error', async () => {
    // without kernels, it fails at the first command
    const { program } = await compiled((setup) => ({ ...setup, indices: new Map() }));
    if (Number(program.description.settings.threads) < 2) return console.log('skipped: one processor');
    const other = await compiled();
    const failure = expect.objectContaining({
      code: 'THREAD_LOST',
      message: expect.stringMatching(/load the model again/),
    });
    expect(() => program.run(step)).toThrow(failure);
    expect(() => program.run(step)).toThrow(failure);
    expect(await other.program.run(step).output('y')).toHaveLength(4 * 512);
    program.dispose();
    other.program.dispose();
  });
});
