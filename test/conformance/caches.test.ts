/** Caches of several sequences that go on at the same time: each is what it would be alone, on every backend. */
import { describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { reference } from '../../src/backends/reference/index.ts';
import { openGguf } from '../../src/formats/gguf/checkpoint.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import type { Program } from '../../src/graph/program.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { weightStore } from '../../src/models/weightStore.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { availableTargets, type Target } from './targets.ts';

const SEQUENCES = 3;
/** Tokens of each step, the same for every sequence. */
const STEPS = [5, 1, 2, 1];
const CONTEXT = 12;
const dimensions = { width: 64, heads: 4, kvHeads: 2, headSize: 32, ffn: 64, layers: 2, vocabulary: 64 };

async function compiled({ backend, settings }: Pick<Target, 'backend' | 'settings'>) {
  const bytes = await makeModel({ architecture: 'llama', format: 'F32', dimensions });
  const model = buildModel(await openGguf(memorySource(bytes, 'llama')), CONTEXT);
  const limits = { maxTokens: 16, maxRows: 16, context: CONTEXT };
  return backend.compile(model.graph, { weights: weightStore(model), ...limits, settings });
}

const token = (sequence: number, position: number): number => (7 * sequence + 5 * position + position ** 2) % 64;

/** Logits of all tokens of some sequences, step by step. */
async function logits(program: Program, sequences: readonly number[], kv: string): Promise<Float32Array[]> {
  const cache = program.createCache(CONTEXT, formatByName(kv), sequences.length);
  let position = 0;
  const found: Float32Array[] = [];
  for (const count of STEPS) {
    const tokens = sequences.flatMap((each) => Array.from({ length: count }, (_, t) => token(each, position + t)));
    const result = program.run({ cache, tokens, position, rows: tokens.map((_, row) => row) });
    position += count;
    found.push(await result.output('logits'));
  }
  cache.free();
  return found;
}

const targets = [{ name: 'reference', backend: reference }, ...(await availableTargets())];

describe.each(targets)('$name', (target) => {
  it.each(['F32', 'F16', 'Q8_0'])('has several sequences in a cache of %s', async (kv) => {
    const program = await compiled(target);
    const all = [...Array(SEQUENCES).keys()];
    const together = await logits(program, all, kv);
    for (const sequence of all) {
      const alone = await logits(program, [sequence], kv);
      for (const [step, expected] of alone.entries()) {
        const own = together[step].subarray(sequence * expected.length, (sequence + 1) * expected.length);
        expect(squaredError(own, expected), `sequence ${sequence}, step ${step}`).toBeLessThan(1e-9);
      }
    }
    const cache = program.createCache(CONTEXT, formatByName(kv), SEQUENCES);
    expect(() => program.run({ cache, tokens: [1, 2, 3, 4], position: 0, rows: [] })).toThrow(
      /tokens is 4, expected as many for each of the cache's 3 sequences/,
    );
    program.dispose();
  });
});

function squaredError(found: Float32Array, expected: Float32Array): number {
  let squares = 0;
  let power = 0;
  expected.forEach((value, i) => {
    squares += (found[i] - value) ** 2;
    power += value ** 2;
  });
  return squares / power;
}
