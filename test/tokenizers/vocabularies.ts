/** Real tokenizers and texts of the shared data. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { readGguf } from '../../src/formats/gguf/read.ts';
import type { GgufValue } from '../../src/formats/gguf/write.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { tokenizerFromGguf } from '../../src/formats/tokenizerFromGguf.ts';
import { tokenizerFromHuggingFace } from '../../src/formats/tokenizerFromHuggingFace.ts';
import type { TokenizerSpec } from '../../src/tokenizer/spec.ts';
import { sharedData } from '../sharedData.ts';

/** Texts and ids of llama.cpp's test-tokenizer-0, without BOS and without parsing special tokens. */
export interface Pair {
  readonly text: string;
  readonly ids: readonly number[];
}

const folder = 'tokenizers/llama.cpp-vocabs';

/** Vocabularies in that folder: each is a .gguf with texts in .gguf.inp and ids in .gguf.out. */
export const ggufNames = ['deepseek-coder', 'falcon', 'gpt-2', 'llama-spm', 'phi-3', 'starcoder'] as const;

export async function ggufSpec(path: string): Promise<TokenizerSpec> {
  const { metadata } = await readGguf(memorySource(readFileSync(path), path));
  return tokenizerFromGguf(metadata, path);
}

export function ggufPath(name: string): string | undefined {
  return sharedData(`${folder}/ggml-vocab-${name}.gguf`);
}

export function pairs(name: string): Pair[] {
  const path = ggufPath(name);
  if (path === undefined) return [];
  const texts = readFileSync(`${path}.inp`, 'utf8').split('\n__ggml_vocab_test__\n').slice(0, -1);
  const lines = readFileSync(`${path}.out`, 'utf8').replace(/\n$/, '').split('\n');
  if (texts.length !== lines.length) throw new Error(`${texts.length} texts, ${lines.length} lines of ids`);
  return texts.map((text, index) => ({ text, ids: lines[index].split(' ').filter(Boolean).map(Number) }));
}

export function huggingFacePath(folder: string): string | undefined {
  return sharedData(`tokenizers/${folder}/tokenizer.json`);
}

export function huggingFaceSpec(path: string): TokenizerSpec {
  return tokenizerFromHuggingFace({ tokenizer: JSON.parse(readFileSync(path, 'utf8')) }, path);
}

/** Contents of llamaCpp.golden.gz, made by makeGolden.ts. */
export interface Golden {
  readonly oracle: string;
  readonly texts: readonly string[];
  /** Ids of the texts in SmolLM's vocabulary, and of the texts of the GGUF vocabularies. */
  readonly smollm: readonly (readonly number[])[];
  readonly smollmPairs: readonly (readonly number[])[];
  /** Ids of the texts in GPT-2's vocabulary, by pre-tokenizer. */
  readonly splits: Readonly<Record<string, readonly (readonly number[])[]>>;
  /** Ids of the texts in the vocabulary of the kind 'gemma4'. */
  readonly gemma4: readonly (readonly number[])[];
}

/** Metadata of a small vocabulary of the kind 'gemma4': ▁ for spaces, bytes as tokens, line breaks in runs. */
export function gemma4Vocabulary(): Record<string, GgufValue> {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const letters = [...'▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789.,!?\'"-éüß中文й\n'];
  const merges: string[] = [];
  const made = new Set<string>();
  for (const word of [
    '▁▁',
    '▁▁▁▁',
    '▁the',
    '▁and',
    'ing',
    '▁of',
    'er',
    '▁to',
    '▁in',
    '▁a',
    'ou',
    '▁wor',
    'ld',
    '▁world',
    'Hel',
    'Hello',
    'é.',
    '中文',
  ]) {
    const parts = word === '▁▁▁▁' ? ['▁▁', '▁▁'] : word === '▁world' ? ['▁wor', 'ld'] : [...word];
    for (let i = 1; i < parts.length; i++) {
      const [left, right] = [parts.slice(0, i).join(''), parts[i]];
      if (!made.has(left + right)) merges.push(`${left} ${right}`);
      made.add(left + right);
    }
  }
  const special = ['<pad>', '<eos>', '<bos>', '<unk>', '<|turn>', '<turn|>'];
  const tokens = [...special, ...bytes, ...letters, '\n\n', '\n\n\n', ...made];
  return {
    'general.architecture': 'gemma4',
    'tokenizer.ggml.model': 'gemma4',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': tokens.map((_, id) => (id < special.length ? 3 : id < special.length + 256 ? 6 : 1)),
    'tokenizer.ggml.scores': tokens.map((_, id) => -id),
    'tokenizer.ggml.merges': merges,
    'tokenizer.ggml.bos_token_id': 2,
    'tokenizer.ggml.eos_token_id': 1,
    'tokenizer.ggml.unknown_token_id': 3,
    'tokenizer.ggml.padding_token_id': 0,
    'tokenizer.ggml.add_bos_token': true,
  };
}

export const goldenPath = fileURLToPath(new URL('llamaCpp.golden.gz', import.meta.url));

export function golden(): Golden {
  return JSON.parse(gunzipSync(readFileSync(goldenPath)).toString()) as Golden;
}
