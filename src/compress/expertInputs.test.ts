/** The statistic of experts, and what it is worth to a tiny mixture. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../scripts/models/index.ts';
import { seededRandom } from '../core/random.ts';
import { ggufBytes } from '../formats/gguf/write.ts';
import { openCheckpoint } from '../formats/open.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { Graph } from '../graph/graph.ts';
import { expertLinear } from '../graph/ops/expertLinear.ts';
import { input } from '../graph/ops/input.ts';
import { weight } from '../graph/ops/weight.ts';
import { formatByName } from '../tensor/formats.ts';
import { compare } from './compare.ts';
import { ExpertInputs } from './expertInputs.ts';
import { readImatrix, writeImatrix } from './imatrix.ts';
import { measureImportance } from './measureImportance.ts';
import { prune } from './prune/prune.ts';
import { quantize } from './quantize.ts';
import { Solver } from './solver.ts';
import type { Measure } from './statistic.ts';

const EXPERTS = 4;
const USED = 2;
const [F32, Q4_0] = [formatByName('F32'), formatByName('Q4_0')];
const random = seededRandom(11);
const folder = mkdtempSync(join(tmpdir(), 'espalier-experts-'));
const path = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

/** Turns a dense model into a mixture: experts are noisy copies of its feed-forward part. */
async function writeMixture(file: string): Promise<void> {
  const dense = await openCheckpoint(await makeModel({ architecture: 'llama', format: 'F32' }));
  const tensors: Parameters<typeof ggufBytes>[0]['tensors'][number][] = [];
  for (const [name, tensor] of dense.tensors) {
    const values = await tensorValues(tensor);
    const part = /^(blk\.\d+)\.ffn_(gate|up|down)\.weight$/.exec(name);
    if (!part) {
      tensors.push({ name, format: F32, shape: tensor.shape, data: new Uint8Array(values.buffer) });
      continue;
    }
    const all = new Float32Array(EXPERTS * values.length);
    const noise = 0.5 * Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);
    for (let i = 0; i < all.length; i++) all[i] = values[i % values.length] + noise * random.normal();
    const stacked = new Uint8Array(all.buffer);
    tensors.push({
      name: `${part[1]}.ffn_${part[2]}_exps.weight`,
      format: F32,
      shape: [EXPERTS, ...tensor.shape],
      data: stacked,
    });
    if (part[2] !== 'gate') continue;
    const width = tensor.shape[1];
    const router = Float32Array.from({ length: EXPERTS * width }, () => 0.2 * random.normal());
    tensors.push({
      name: `${part[1]}.ffn_gate_inp.weight`,
      format: F32,
      shape: [EXPERTS, width],
      data: new Uint8Array(router.buffer),
    });
  }
  const metadata = [...dense.metadata, ['llama.expert_count', EXPERTS], ['llama.expert_used_count', USED]];
  writeFileSync(file, await ggufBytes({ metadata: metadata as Parameters<typeof ggufBytes>[0]['metadata'], tensors }));
  await dense.close();
}

describe('the statistic of experts', () => {
  const [size, tokens] = [32, 40];
  const ofProduct = (width: number, measure?: Measure) => {
    const graph = new Graph();
    const [x, routes] = [input(graph, 'x', 'T', width, 'f32'), input(graph, 'routes', 'T', 2 * USED, 'f32')];
    const matrix = weight(graph, 'w', F32, EXPERTS * 64, size);
    expertLinear(x, routes, matrix, EXPERTS);
    // a dense matrix of the same input, as a router and shared experts are, belongs to no expert
    const products = [
      { weight: matrix, x, experts: { count: EXPERTS, routes } },
      { weight: weight(graph, 'router', F32, EXPERTS, width), x },
    ];
    const stage = { graph, inputs: new Map(), outputs: new Map(), products };
    return ExpertInputs.of(stage, () => true, measure)[0];
  };

  it('of squares is the sum of the rows of each, as many as were routed to it', () => {
    for (const width of [size, USED * size]) {
      const inputs = ofProduct(width, 'squares');
      const x = Float32Array.from({ length: 2 * width }, (_, i) => i);
      // token 0 has experts 1 and 3, token 1 has 3 and 0
      inputs.add(x.subarray(0, width), Float32Array.of(1, 3, 0.5, 0.5), false);
      inputs.add(x.subarray(width), Float32Array.of(3, 0, 0.9, 0.1), true);
      const { squares, tokens, tensors } = inputs.squares();
      expect(tensors).toEqual(['w']);
      expect(tokens).toEqual([1, 1, 0, 2]);
      const [first, second] =
        width === size
          ? [
              [0, 0],
              [1, 1],
            ]
          : [
              [0, 1],
              [2, 3],
            ];
      const row = (index: number, i: number) => x[index * size + i] ** 2;
      for (const i of [0, 5, 31]) {
        expect(squares[0 * size + i]).toBe(row(second[1], i));
        expect(squares[1 * size + i]).toBe(row(first[0], i));
        expect(squares[2 * size + i]).toBe(0);
        expect(squares[3 * size + i]).toBe(row(first[1], i) + row(second[0], i));
      }
    }
  });

  it.each([size, USED * size])(
    'is that of the tokens that were routed to each, of inputs of %i channels',
    async (width) => {
      const inputs = ofProduct(width);
      const x = Float32Array.from({ length: tokens * width }, () => random.normal());
      // expert 3 is never chosen
      const routes = Float32Array.from({ length: tokens * 2 * USED }, (_, i) => {
        const slot = i % (2 * USED);
        return slot >= USED ? 0.5 : (Math.floor(i / (2 * USED)) + slot) % 3;
      });
      inputs.add(x, routes, false);
      inputs.add(x.subarray(0, 8 * width), routes.subarray(0, 8 * 2 * USED), true);
      const rows = (expert: number | undefined) =>
        Array.from({ length: tokens * USED }, (_, i) => i).flatMap((i) => {
          const [token, slot] = [Math.floor(i / USED), i % USED];
          if (expert === undefined ? width === size && slot > 0 : routes[token * 2 * USED + slot] !== expert) return [];
          const at = width === size ? token * size : i * size;
          return [x.subarray(at, at + size)];
        });
      const sum = (some: readonly Float32Array[], i: number, j: number) =>
        some.reduce((total, row) => total + row[i] * row[j], 0);
      let expert = 0;
      const seen: number[] = [];
      for await (const { statistic, tokens: own } of inputs.statistics(1)) {
        const [mine, all] = [rows(expert), rows(undefined)];
        expect(own).toBe(mine.length);
        seen.push(own);
        const factor = Math.min(1, (0.25 * size) / all.length);
        for (const [i, j] of [
          [0, 0],
          [3, 17],
          [31, 2],
        ] as const)
          expect(statistic.gram[i * size + j]).toBeCloseTo(sum(mine, i, j) + factor * sum(all, i, j), 3);
        expect(statistic.heldOutTokens).toBeLessThanOrEqual(8);
        expert++;
      }
      expect(expert).toBe(EXPERTS);
      expect(seen[3]).toBe(0);
    },
  );
});

describe('a mixture of experts', () => {
  beforeAll(() => writeMixture(path('source.gguf')));

  it('loses less with the statistic of each expert', async () => {
    const calibration = { text: gardenText, window: 64, windows: 16 };
    await quantize(path('source.gguf'), path('plain.gguf'), { type: 'Q4_0' });
    const { tensors } = await quantize(path('source.gguf'), path('solved.gguf'), { type: 'Q4_0', calibration });
    const experts = tensors.filter(({ name }) => /_exps/.test(name));
    expect(experts).toHaveLength(6);
    for (const { name, method } of experts) expect(['obs', 'weighted'], name).toContain(method);
    const text = gardenText.slice(0, 1500);
    const files = [path('plain.gguf'), path('solved.gguf')];
    const [, plain, solved] = await compare(path('source.gguf'), files, { text, exact: true, speed: false });
    expect(solved.kld!.mean).toBeLessThan(0.7 * plain.kld!.mean);
  });

  it('names experts that saw little', async () => {
    const calibration = { text: gardenText, window: 64, windows: 4 };
    const { tensors } = await quantize(path('source.gguf'), path('few.gguf'), { type: 'Q4_0', calibration });
    for (const { name, notes } of tensors.filter((tensor) => /_exps/.test(tensor.name)))
      expect(notes!.join(), name).toMatch(/\d of 4 experts saw fewer calibration tokens than they have channels/);
  });

  it('has an importance matrix with a row for each expert, which quantizing uses', async () => {
    const measured = await measureImportance(path('source.gguf'), { text: gardenText, window: 64, windows: 8 });
    const down = measured.entries.get('blk.1.ffn_down_exps.weight')!;
    expect(down.tokens).toHaveLength(EXPERTS);
    expect(down.tokens.reduce((sum, count) => sum + count, 0)).toBe(USED * 8 * 64);
    expect(measured.entries.get('blk.1.ffn_gate_exps.weight')!.tokens).toEqual(down.tokens);
    expect(measured.entries.get('blk.1.ffn_gate_inp.weight')!.tokens).toEqual([8 * 64]);
    await writeImatrix(path('imatrix.gguf'), measured);
    expect(await readImatrix(path('imatrix.gguf'))).toEqual(measured);
    const imatrix = path('imatrix.gguf');
    const { tensors } = await quantize(path('source.gguf'), path('own.gguf'), { type: 'Q4_0', imatrix });
    expect(tensors.find(({ name }) => name === 'blk.1.ffn_down_exps.weight')).toMatchObject({ method: 'weighted' });
    // expert 2 alone, with its own row
    const values = async (file: string) => {
      const checkpoint = await openCheckpoint(path(file));
      const found = await tensorValues(checkpoint.tensors.get('blk.1.ffn_down_exps.weight')!);
      await checkpoint.close();
      return found.subarray((2 * found.length) / EXPERTS, (3 * found.length) / EXPERTS);
    };
    const [original, quantized] = [await values('source.gguf'), await values('own.gguf')];
    const columns = down.squares.length / EXPERTS;
    const row = down.squares.slice(2 * columns, 3 * columns);
    const solver = await Solver.create(1);
    const { bytes } = solver.quantize(original.slice(), columns, Q4_0, { importance: row });
    solver.dispose();
    const expected = new Float32Array(original.length);
    Q4_0.decode(bytes, 0, expected, 0, bytes.length / Q4_0.blockBytes);
    expect(quantized).toEqual(expected);
  });

  it('uses the importance of all tokens for an expert that saw none, and says so', async () => {
    const { entries, ...rest } = await readImatrix(path('imatrix.gguf'));
    const changed = new Map(entries);
    const { squares, tokens } = entries.get('blk.0.ffn_up_exps.weight')!;
    const columns = squares.length / EXPERTS;
    const without = squares.map((value, i) => (i < columns ? 0 : value));
    changed.set('blk.0.ffn_up_exps.weight', { squares: without, tokens: [0, ...tokens.slice(1)] });
    await writeImatrix(path('unseen.gguf'), { ...rest, entries: changed });
    const options = { type: 'Q4_0', imatrix: path('unseen.gguf') };
    const { tensors } = await quantize(path('source.gguf'), path('unseen-q4.gguf'), options);
    const { method, notes } = tensors.find(({ name }) => name === 'blk.0.ffn_up_exps.weight')!;
    expect(method).toBe('weighted');
    expect(notes).toEqual([expect.stringMatching(/^1 of 4 experts saw no token/)]);
  });

  it('is pruned expert by expert', async () => {
    const calibration = { text: gardenText, window: 64, windows: 8 };
    const { tensors, sparsity } = await prune(path('source.gguf'), path('half.gguf'), { sparsity: 0.5, calibration });
    expect(sparsity).toBeCloseTo(0.5, 2);
    expect(new Set(tensors.map(({ name }) => name)).size).toBe(tensors.length);
    expect(tensors.filter(({ name }) => /_exps/.test(name))).toHaveLength(6);
  });
});
