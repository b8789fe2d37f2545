import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../../scripts/models/index.ts';
import { backendByName } from '../../backends/index.ts';
import { seededRandom } from '../../core/random.ts';
import { ggufBytes } from '../../formats/gguf/write.ts';
import { openCheckpoint } from '../../formats/open.ts';
import type { TensorToWrite } from '../../formats/tensorToWrite.ts';
import { buildModel } from '../../models/buildModel.ts';
import { weightStore } from '../../models/weightStore.ts';
import { load } from '../../runtime/load.ts';
import { formatByName } from '../../tensor/formats.ts';
import { createTokenizer } from '../../tokenizer/tokenizer.ts';
import { shape } from '../recipe/shape.ts';
import { cutVocabulary } from './cutVocabulary.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-vocabulary-'));
const path = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

const text = gardenText.slice(0, 700);
const calibration = { text };

async function write(name: string, architecture: string, format = 'F32') {
  writeFileSync(path(name), await makeModel({ architecture, format }));
  return path(name);
}

/** Logits of the last token of a text. */
async function logitsOf(file: string, prompt: string) {
  const checkpoint = await openCheckpoint(file);
  const model = buildModel(checkpoint, 256);
  const tokenizer = createTokenizer(checkpoint.tokenizer!);
  const tokens = Int32Array.from(tokenizer.encode(prompt));
  const limits = { maxTokens: tokens.length, maxRows: 1, context: 256 };
  const program = await backendByName(undefined).compile(model.graph, {
    ...limits,
    weights: weightStore(model),
    settings: { threads: 1 },
  });
  try {
    const rows = Int32Array.of(tokens.length - 1);
    const logits = await program.run({ tokens, sequence: tokens.length, rows, outputs: ['logits'] }).output('logits');
    const names = checkpoint.metadata.get('tokenizer.ggml.tokens') as string[];
    return { texts: Array.from(tokens, (id) => names[id]), logits: Float32Array.from(logits), names };
  } finally {
    program.dispose();
    await checkpoint.close();
  }
}

describe.each([
  ['llama', 'F32'],
  ['llama', 'Q4_0'],
  ['qwen2', 'Q8_0'],
  ['gpt2', 'F32'],
])('a cut %s in %s', (architecture, format) => {
  it('has the logits of the kept rows, bit for bit', async () => {
    const source = await write(`${architecture}.gguf`, architecture, format);
    const result = await cutVocabulary(source, path('cut.gguf'), { calibration });
    expect(result.tokens[1]).toBeLessThan(result.tokens[0]);
    expect(statSync(path('cut.gguf')).size).toBeLessThan(statSync(source).size);
    for (const prompt of [text.slice(0, 200), text.slice(300, 420)]) {
      const [before, after] = [await logitsOf(source, prompt), await logitsOf(path('cut.gguf'), prompt)];
      expect(after.logits.length).toBe(result.tokens[1]);
      expect(after.texts).toEqual(before.texts);
      for (const [id, token] of after.names.entries())
        expect(after.logits[id]).toBe(before.logits[before.names.indexOf(token)]);
    }
  });

  it('still encodes every text', async () => {
    const source = await write(`${architecture}.gguf`, architecture, format);
    await cutVocabulary(source, path('cut.gguf'), { calibration });
    const checkpoints = await Promise.all(
      [source, path('cut.gguf')].map((file) => load(file, { threads: 1, context: 64 })),
    );
    const [whole, cut] = checkpoints.map(({ tokenizer }) => tokenizer);
    const random = seededRandom(5);
    for (let i = 0; i < 200; i++) {
      const at = random.integer(gardenText.length - 60);
      const piece = gardenText.slice(at, at + 1 + random.integer(60));
      const sample = i % 4 === 0 ? `${piece}é 日本 🌳\t${piece}` : piece;
      const [a, b] = [whole, cut].map((tokenizer) => tokenizer.decode(tokenizer.encode(sample)));
      expect(b).toBe(a);
    }
    for (const model of checkpoints) model.dispose();
  });
});

it('a recipe has the stage, and its plan knows the size', async () => {
  const source = await write('llama.gguf', 'llama');
  writeFileSync(path('text.txt'), text);
  const base = { source, output: path('out.gguf'), calibration: { text: path('text.txt'), window: 32, windows: 4 } };
  const stages = [{ cutVocabulary: {} }, { quantize: { type: 'Q8_0' } }];
  writeFileSync(path('recipe.json'), JSON.stringify({ ...base, stages }));
  const planned = await shape(path('recipe.json'), { dryRun: true });
  const done = await shape(path('recipe.json'));
  const sizes = [planned, done].map((each) => each.stages.map(({ result }) => (result as { bytes: number }).bytes));
  expect(sizes[0]).toEqual(sizes[1]);
  expect(done.stages[0].result).toMatchObject({ tokens: [512, expect.any(Number)] });
  for (const [more, message] of [
    [
      { stages: [...stages, { tune: { steps: 1 } }] },
      /has the stage tune after cutVocabulary.*put it before cutVocabulary/,
    ],
    [{ stages, card: { text: path('text.txt') } }, /has a card, which compares with the source's whole vocabulary/],
  ] as const) {
    writeFileSync(path('recipe.json'), JSON.stringify({ ...base, ...more }));
    await expect(shape(path('recipe.json'))).rejects.toThrow(message);
  }
});

describe('what cannot be cut is refused by name', () => {
  const changed = async (edit: (metadata: Map<string, unknown>) => void, more: TensorToWrite[] = []) => {
    const checkpoint = await openCheckpoint(await makeModel({ architecture: 'llama', format: 'F32' }));
    const metadata = new Map(checkpoint.metadata);
    edit(metadata);
    const tensors = [...checkpoint.tensors.values()].map(({ name, format, shape: size, byteLength, read }) => ({
      ...{ name, format, shape: size },
      data: async () => {
        const bytes = new Uint8Array(byteLength);
        await read.call(checkpoint.tensors.get(name), 0, bytes);
        return bytes;
      },
    }));
    writeFileSync(
      path('odd.gguf'),
      await ggufBytes({ metadata: [...metadata] as never, tensors: [...tensors, ...more] }),
    );
    return cutVocabulary(path('odd.gguf'), path('refused.gguf'), { calibration });
  };

  it.each([
    [
      'a tokenizer that is not made of merges',
      'tokenizer.ggml.model',
      't5',
      /of the kind t5 is not supported; supported: gpt2, llama/,
    ],
    [
      'a key with tokens of unknown meaning',
      'tokenizer.ggml.odd_ids',
      [1, 2],
      /with the key tokenizer\.ggml\.odd_ids is not/,
    ],
  ])('%s', async (_, key, value, message) => {
    await expect(changed((metadata) => metadata.set(key, value))).rejects.toThrow(message);
  });

  it('another tensor with a value for each token', async () => {
    const bias = { name: 'head.bias', format: formatByName('F32'), shape: [512], data: new Uint8Array(4 * 512) };
    await expect(changed(() => {}, [bias])).rejects.toThrow(/of a model with the tensor head\.bias is not supported/);
  });

  it('but rows beyond the tokens go', async () => {
    const PER_TOKEN = ['tokens', 'scores', 'token_type'].map((key) => `tokenizer.ggml.${key}`);
    const result = await changed((metadata) => {
      for (const key of PER_TOKEN) metadata.set(key, (metadata.get(key) as string[]).slice(0, 500));
    });
    expect(result.tokens[0]).toBe(500);
    const cut = await openCheckpoint(path('refused.gguf'));
    for (const name of ['token_embd.weight', 'output.weight'])
      expect(cut.tensors.get(name)!.shape[0]).toBe(result.tokens[1]);
    await cut.close();
    const prompt = text.slice(0, 100);
    const [before, after] = [await logitsOf(path('odd.gguf'), prompt), await logitsOf(path('refused.gguf'), prompt)];
    expect(after.texts).toEqual(before.texts);
    for (const [id, token] of after.names.entries())
      expect(after.logits[id]).toBe(before.logits[before.names.indexOf(token)]);
  });

  it('a text that uses all tokens', async () => {
    await cutVocabulary(await write('llama.gguf', 'llama'), path('cut.gguf'), { calibration });
    await expect(cutVocabulary(path('cut.gguf'), path('again.gguf'), { calibration })).rejects.toThrow(
      /all of which are used or needed, expected tokens to remove/,
    );
    expect(readFileSync(path('cut.gguf')).length).toBeGreaterThan(0);
  });
});
