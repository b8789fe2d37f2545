/**
 * Makes llamaCpp.golden.gz with llama.cpp's token ids for these tests. Needs the shared data and `npm ci` in bench/peers.
 * Run `npx tsx test/tokenizers/makeGolden.ts`.
 *
 * llama.cpp reads only GGUF, so vocabularies are converted: SmolLM's from its tokenizer.json, and GPT-2's once for
 * each known pre-tokenizer, to compare the pre-tokenizers.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type GgufValue, ggufBytes } from '../../src/formats/gguf/write.ts';
import { preTokenizers } from '../../src/tokenizer/preTokenizers.ts';
import type { TokenizerSpec } from '../../src/tokenizer/spec.ts';
import { hardTexts } from './hardTexts.ts';
import {
  type Golden,
  gemma4Vocabulary,
  ggufPath,
  ggufSpec,
  goldenPath,
  huggingFacePath,
  huggingFaceSpec,
  pairs,
} from './vocabularies.ts';

interface Llama {
  loadModel(options: { modelPath: string; vocabOnly: boolean }): Promise<{
    tokenize(text: string, special: boolean): Iterable<number>;
    dispose(): Promise<void>;
  }>;
  dispose(): Promise<void>;
}

const peers = new URL('../../bench/peers/', import.meta.url);
const { startLlama } = (await import(new URL('oracle.mjs', peers).href)) as { startLlama(): Promise<Llama> };
const { dependencies } = JSON.parse(readFileSync(new URL('package.json', peers), 'utf8')) as {
  dependencies: Record<string, string>;
};

const folder = mkdtempSync(join(tmpdir(), 'tokenizers-'));
const llama = await startLlama();
try {
  const texts = hardTexts(150, 20);
  const smollm = await writeVocabulary(huggingFaceSpec(huggingFacePath('smollm')!), 'smollm', 'smollm-json');
  const gpt2 = await ggufSpec(ggufPath('gpt-2')!);
  const splits: Record<string, number[][]> = {};
  for (const name of preTokenizers.keys()) splits[name] = await encodeAll(await writeVocabulary(gpt2, name), texts);
  const golden: Golden = {
    oracle: `node-llama-cpp ${dependencies['node-llama-cpp']}`,
    texts,
    smollm: await encodeAll(smollm, texts),
    smollmPairs: await encodeAll(
      smollm,
      pairs('gpt-2').map(({ text }) => text),
    ),
    splits,
    gemma4: await encodeAll(await writeGguf('gemma4', gemma4Vocabulary()), texts),
  };
  writeFileSync(goldenPath, gzipSync(JSON.stringify(golden), { level: 9 }));
} finally {
  await llama.dispose();
  rmSync(folder, { recursive: true });
}

async function writeGguf(name: string, metadata: Record<string, GgufValue>): Promise<string> {
  const path = join(folder, `${name}.gguf`);
  writeFileSync(path, await ggufBytes({ metadata: Object.entries(metadata), tensors: [] }));
  return path;
}

/** A GGUF file with only a vocabulary. */
async function writeVocabulary(spec: TokenizerSpec, pre: string, file = pre): Promise<string> {
  const types = spec.tokens.map(() => 1);
  for (const { id, special } of spec.added) types[id] = special ? 3 : 4;
  return writeGguf(file, {
    'general.architecture': 'gpt2',
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': pre,
    'tokenizer.ggml.tokens': spec.tokens.map((text) => text ?? ''),
    'tokenizer.ggml.token_type': types,
    'tokenizer.ggml.merges': spec.merges!.map(String),
    'tokenizer.ggml.bos_token_id': 0,
    'tokenizer.ggml.eos_token_id': 0,
  });
}

/** Tokenizes without BOS and parses special tokens. */
async function encodeAll(path: string, texts: readonly string[]): Promise<number[][]> {
  const model = await llama.loadModel({ modelPath: path, vocabOnly: true });
  const ids = texts.map((text) => [...model.tokenize(text, true)]);
  await model.dispose();
  return ids;
}
