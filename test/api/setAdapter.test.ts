/** Changing the adapter of a model whose sessions generate: every step sees one adapter, as a whole. */
import { afterEach, expect, it, vi } from 'vitest';
import { nextTask } from '#leaf/runtime/nextTask';
import { WasmProgram } from '../../src/backends/wasm/program.ts';
import { seededRandom } from '../../src/core/random.ts';
import { inspect, load } from '../../src/index.ts';
import type { Adapter } from '../../src/models/adapter.ts';
import { tinyModel } from './tinyModel.ts';

afterEach(() => vi.restoreAllMocks());

const MATRICES = ['blk.0.attn_q.weight', 'blk.1.attn_q.weight'];
const PROMPT = [1, ...Array.from({ length: 40 }, (_, i) => 3 + ((i * i) % 90))];

async function adapterOf(bytes: Uint8Array, seed: number): Promise<Adapter> {
  const random = seededRandom(seed);
  const { tensors } = await inspect(bytes);
  const factors = MATRICES.map((matrix) => {
    const [outputs, inputs] = tensors.find(({ name }) => name === matrix)!.shape as [number, number];
    const values = (count: number) => Float32Array.from({ length: count }, () => random.normal());
    return [matrix, { rank: 2, a: values(2 * inputs), b: values(outputs * 2) }] as const;
  });
  return { name: `adapter ${seed}`, architecture: 'llama', alpha: 8, factors: new Map(factors) };
}

it('takes effect between two steps of a generation, and no prefix of the adapter before is taken over', async () => {
  const bytes = await tinyModel();
  const [first, second] = [await adapterOf(bytes, 1), await adapterOf(bytes, 2)];
  using expected = await load(bytes, { adapter: second, threads: 1, context: 128 });
  using model = await load(bytes, { adapter: first, threads: 1, context: 128 });
  const { writeTensor, run } = WasmProgram.prototype;
  let isWriting = false;
  let torn = 0;
  // a backend that takes its time
  vi.spyOn(WasmProgram.prototype, 'writeTensor').mockImplementation(async function (this: WasmProgram, ...given) {
    isWriting = true;
    for (let turn = 0; turn < 5; turn++) await nextTask();
    await writeTensor.apply(this, given);
    if (given[0].startsWith(MATRICES[1]!) && given[0].endsWith('b')) isWriting = false;
  });
  vi.spyOn(WasmProgram.prototype, 'run').mockImplementation(function (this: WasmProgram, step) {
    if (isWriting) torn++;
    return run.call(this, step);
  });
  const session = model.session();
  const generation = session.generate(PROMPT, { maxTokens: 60, stop: [] });
  await generation.next();
  const changing = model.setAdapter(second);
  const { tokens } = await generation.result;
  await changing;
  expect([tokens, torn]).toEqual([60, 0]);
  const options = { maxTokens: 20, stop: [] };
  const { ids } = await expected.session().generate(PROMPT, options).result;
  for (const each of [session, model.session()]) expect((await each.generate(PROMPT, options).result).ids).toEqual(ids);
});
