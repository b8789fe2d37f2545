/** Compares whole models with llama.cpp, on every backend and variant, for every architecture and format. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import {
  type Agreement,
  agreement,
  type GoldenPlan,
  goldenModel,
  goldenPlans,
  largest,
  readGolden,
} from '../../scripts/models/index.ts';
import { openGguf } from '../../src/formats/gguf/checkpoint.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import type { Program } from '../../src/graph/program.ts';
import { type BuiltModel, buildModel } from '../../src/models/buildModel.ts';
import { weightStore } from '../../src/models/weightStore.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { sharedData } from '../sharedData.ts';
import { Pages } from './pages.ts';
import { availableTargets, type Target } from './targets.ts';

/** The context length that llama.cpp had. Phi-3's rope factors depend on it. */
const CONTEXT = 512;

// threads do not change any bit (threads.test.ts), so each variant runs with its maximum only
const targets = new Map((await availableTargets()).map((target) => [target.settings?.variant, target]));
const worst = new Map<string, Agreement & { target: string }>();

async function openModel(bytes: Uint8Array, name: string): Promise<BuiltModel> {
  return buildModel(await openGguf(memorySource(bytes, name)), CONTEXT);
}

async function withProgram<R>(
  model: BuiltModel,
  { backend, settings }: Target,
  use: (program: Program) => Promise<R>,
): Promise<R> {
  const limits = { maxTokens: CONTEXT, maxRows: CONTEXT, context: CONTEXT };
  const program = await backend.compile(model.graph, { weights: weightStore(model), ...limits, settings });
  try {
    return await use(program);
  } finally {
    program.dispose();
  }
}

/** Logits after each token: the first half in one step, the others one by one. */
async function forced(program: Program, tokens: readonly number[]): Promise<Float32Array[]> {
  const pages = new Pages(program.openPages(formatByName('F32')));
  const half = tokens.length >> 1;
  const steps = [tokens.slice(0, half), ...tokens.slice(half).map((token) => [token])];
  const logits: Float32Array[] = [];
  for (const step of steps) {
    const position = logits.length;
    const sequences = [{ tokens: step, position, pages: pages.upTo(position + step.length) }];
    const result = program.run({ sequences, rows: step.map((_, at) => at) });
    const all = await result.output('logits');
    const width = all.length / step.length;
    for (let at = 0; at < step.length; at++) logits.push(all.slice(at * width, (at + 1) * width));
  }
  return logits;
}

async function greedy(program: Program, prompt: readonly number[], count: number): Promise<number[]> {
  const pages = new Pages(program.openPages(formatByName('F32')));
  const past = [...prompt];
  for (let step = past, position = 0; past.length < prompt.length + count; step = past.slice(-1)) {
    const sequences = [{ tokens: step, position, pages: pages.upTo(position + step.length) }];
    const result = program.run({ sequences, rows: [step.length - 1] });
    position += step.length;
    past.push(largest(await result.output('logits')));
  }
  return past.slice(prompt.length);
}

/** Tolerances in nats. llama.cpp rounds activations too, but differently: to BF16 for BF16, to 8 bits for quantized formats. */
function limitOf({ model }: GoldenPlan): number {
  const format = 'made' in model ? model.made.format : 'F32';
  return { F32: 1e-5, F16: 1e-5, BF16: 1e-4 }[format] ?? 2e-3;
}

describe('distributions agree with llama.cpp', () => {
  it.each(goldenPlans.filter(({ model }) => 'made' in model))('$name', async (plan) => {
    const golden = await readGolden(plan.name);
    const model = await openModel(await goldenModel(golden), plan.name);
    for (const target of targets.values()) {
      const found = agreement(golden, await withProgram(model, target, (program) => forced(program, golden.tokens)));
      if (!(found.meanKl < (worst.get(plan.name)?.meanKl ?? 0)))
        worst.set(plan.name, { ...found, target: target.name });
      expect(found.meanKl, target.name).toBeLessThanOrEqual(limitOf(plan));
      expect(found.top1, target.name).toBeGreaterThanOrEqual(0.98);
    }
  });

  afterAll(() => {
    const lines = [...worst].map(([name, { meanKl, maxKl, top1, target }]) => {
      return `${name}: mean ${meanKl.toExponential(1)}, greatest ${maxKl.toExponential(1)} nats, top-1 ${top1} (${target})`;
    });
    console.log(['divergence from llama.cpp', ...lines].join('\n'));
  });
});

const stories = sharedData('weights/stories260K.gguf');

describe.skipIf(!stories)('stories are those of llama.cpp', () => {
  it.each([...targets.values()])('$name', async (target) => {
    const golden = await readGolden('stories260K');
    const model = await openModel(readFileSync(stories!), 'stories260K.gguf');
    await withProgram(model, target, async (program) => {
      const { meanKl, top1 } = agreement(golden, await forced(program, golden.tokens));
      expect(meanKl).toBeLessThanOrEqual(1e-5);
      expect(top1).toBe(1);
      for (const { tokens, continuation } of golden.greedy!)
        expect(await greedy(program, tokens, continuation.length)).toEqual(continuation);
    });
  });
});
