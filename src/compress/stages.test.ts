/** Runs tiny models in stages and whole: the results must be the same. */
import { describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { backendByName } from '../backends/index.ts';
import { openCheckpoint } from '../formats/open.ts';
import { buildModel } from '../models/buildModel.ts';
import { dequantized } from '../models/dequantized.ts';
import { weightStore } from '../models/weightStore.ts';
import { stagesOf } from './stages.ts';
import { type Activations, forget, StageRun } from './statistic.ts';

const windows = { tokens: Int32Array.from({ length: 48 }, (_, i) => (i * 29) % 200), size: 16, count: 3 };

describe.each(['llama', 'gemma3', 'qwen2', 'gpt2', 'phi3'])('%s in stages', (architecture) => {
  it('has the hidden states and the statistic of the whole model', async () => {
    const checkpoint = dequantized(await openCheckpoint(await makeModel({ architecture, format: 'F32' })));
    const model = buildModel(checkpoint, 16);
    const stages = stagesOf(model.graph, architecture);
    expect(stages.length).toBeGreaterThan(3);
    expect(new Set(stages.flatMap(({ products }) => products.map(({ weight }) => weight.attributes.tensor))).size).toBe(
      stages.flatMap(({ products }) => products).length,
    );
    const weights = weightStore(model);
    const activations: Activations = new Map();
    let last: Float32Array = new Float32Array();
    for (const [index, stage] of stages.entries()) {
      const run = await StageRun.compile(stage, 'gram', () => true, { weights, windows, threads: 1 });
      for (const { gram, heldOut, size } of await run.measure(activations)) {
        for (const sums of [gram, heldOut]) {
          expect(sums.some((value) => value > 0)).toBe(true);
          for (let i = 0; i < size; i++) expect(sums[i * size + i]).toBeGreaterThanOrEqual(0);
        }
        last = gram.map((value, i) => value + heldOut[i]);
      }
      forget(activations, stages.slice(index + 1));
      expect(activations.size).toBe(stages[index + 1]?.inputs.size ?? 0);
      run.dispose();
    }
    const limits = { maxTokens: 48, maxRows: 48, context: 16 };
    const program = await backendByName('wasm').compile(model.graph, { ...limits, weights, settings: { threads: 1 } });
    const rows = Int32Array.from({ length: 48 }, (_, i) => i);
    const result = program.run({ tokens: windows.tokens, sequence: 16, rows, outputs: ['hidden'] });
    const hidden = await result.output('hidden');
    const width = hidden.length / 48;
    for (let i = 0; i < width; i += 7)
      for (let j = 0; j < width; j += 5) {
        let sum = 0;
        for (let t = 0; t < 48; t++) sum += hidden[t * width + i] * hidden[t * width + j];
        expect(Math.abs(last[i * width + j] - sum)).toBeLessThan(1e-3 * (1 + Math.abs(sum)));
      }
    program.dispose();
    await checkpoint.close();
  });
});
