/** The reference backend against llama.cpp, distribution by distribution, on every golden whose model is made. */
import { describe, expect, it } from 'vitest';
import {
  agreement,
  type Golden,
  type GoldenPlan,
  goldenModel,
  goldenPlans,
  readGolden,
} from '../../scripts/models/index.ts';
import { reference } from '../../src/backends/reference/index.ts';
import { openGguf } from '../../src/formats/gguf/checkpoint.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { weightStore } from '../../src/models/weightStore.ts';
import { formatByName } from '../../src/tensor/formats.ts';

/** As large as the context that llama.cpp was given: Phi-3's factors go by it. */
const CONTEXT = 512;

describe('the reference backend says what llama.cpp says', () => {
  const made = goldenPlans.filter(({ model }) => 'made' in model);
  it.each(made)('of $name', async (plan) => {
    const golden = await readGolden(plan.name);
    const { meanKl, top1 } = agreement(golden, await logitsOf(golden));
    expect(meanKl).toBeLessThan(tolerance(plan));
    expect(top1).toBeGreaterThanOrEqual(0.98);
  });
});

/** llama.cpp rounds activations too: to F16 for F16, to BF16 for BF16, to 8 bits for the others. Nats. */
function tolerance({ model }: GoldenPlan): number {
  const format = 'made' in model ? model.made.format : 'F32';
  return { F32: 1e-5, F16: 1e-5, BF16: 1e-4 }[format] ?? 2e-3;
}

async function logitsOf(golden: Golden): Promise<Float32Array[]> {
  const checkpoint = await openGguf(memorySource(await goldenModel(golden), golden.name));
  const model = buildModel(checkpoint, CONTEXT);
  const count = golden.tokens.length;
  const program = await reference.compile(model.graph, {
    weights: weightStore(model),
    maxTokens: count,
    maxRows: count,
    context: CONTEXT,
  });
  const cache = program.createCache(CONTEXT, formatByName('F32'));
  program.run({ cache, tokens: golden.tokens, position: 0, rows: golden.tokens.map((_, at) => at) });
  const logits = program.output('logits');
  const width = logits.length / count;
  return golden.tokens.map((_, at) => logits.slice(at * width, (at + 1) * width));
}
