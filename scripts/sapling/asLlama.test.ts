import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { Checkpoint } from '../../src/formats/checkpoint.ts';
import { writeGguf } from '../../src/formats/gguf/write.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { checkpointFolder } from '../../src/train/checkpoint/folder.node.ts';
import { referenceModel } from '../../test/goldens/referenceModel.ts';
import { klDivergence, softmax } from '../models/goldens.ts';
import { writeHuggingFaceModel } from '../models/index.ts';
import { asLlama } from './asLlama.ts';

const folder = await mkdtemp(join(tmpdir(), 'espalier-as-llama-'));
afterAll(() => rm(folder, { recursive: true }));

const dimensions = { width: 32, layers: 2, heads: 4, kvHeads: 4, headSize: 8, ffn: 64 };

it('computes the same function as a GPT-Neo without position embeddings', async () => {
  await writeHuggingFaceModel(folder, { architecture: 'gpt_neo', format: 'F32', dimensions });
  const written = await openCheckpoint(folder);
  const positions = written.tensors.get('transformer.wpe.weight')!;
  const { name, format, shape, byteLength } = positions;
  const nowhere = { name, format, shape, byteLength, read: async (_: number, into: Uint8Array) => void into.fill(0) };
  const tensors = new Map([...written.tensors, [name, nowhere]]);
  const neo: Checkpoint = {
    name: written.name,
    kind: written.kind,
    metadata: written.metadata,
    tensors,
    tokenizer: written.tokenizer,
    byteLength: written.byteLength,
    close: () => written.close(),
  };
  const tokenizer = written.tokenizer!;
  const random = seededRandom(1);
  const text = () => Array.from({ length: 40 }, () => random.integer(tokenizer.tokens.length));
  const contents = await asLlama(neo, { tokenizer, texts: Array.from({ length: 64 }, text), threads: 1 });
  await checkpointFolder(folder).replace('llama.gguf', (sink) => writeGguf(sink, contents));
  const llama = await openCheckpoint(join(folder, 'llama.gguf'));

  const tokens = text();
  const expected = await (await referenceModel(neo)).forced(tokens);
  const found = await (await referenceModel(llama)).forced(tokens);
  await Promise.all([written.close(), llama.close()]);
  const divergence = (logits: (at: number) => Float32Array) =>
    expected.reduce((sum, wanted, at) => sum + klDivergence(softmax(wanted), softmax(logits(at))), 0) / tokens.length;
  // remaining differences: the means of the embeddings in the tied output, the approximate GELU, the bias of the last norm
  expect(divergence((at) => found[at])).toBeLessThan(0.06 * divergence(() => expected[0]));
});
