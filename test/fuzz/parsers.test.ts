/** Every parser of untrusted files, on 20,000 corrupted files each: it throws only typed errors, quickly and in little memory. */
import { expect, it } from 'vitest';
import type { Random } from '../../src/core/random.ts';
import type { Checkpoint } from '../../src/formats/checkpoint.ts';
import type { Folder } from '../../src/formats/folder.ts';
import { openGguf } from '../../src/formats/gguf/checkpoint.ts';
import { readGguf } from '../../src/formats/gguf/read.ts';
import { openHuggingFaceFolder } from '../../src/formats/huggingface/checkpoint.ts';
import { parseJsonObject } from '../../src/formats/json.ts';
import { readSafetensors } from '../../src/formats/safetensors/read.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { tokenizerFromGguf } from '../../src/formats/tokenizerFromGguf.ts';
import { tokenizerFromHuggingFace } from '../../src/formats/tokenizerFromHuggingFace.ts';
import { decodeUtf8 } from '../../src/formats/utf8.ts';
import type { TokenizerSpec } from '../../src/tokenizer/spec.ts';
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts';
import { drawBytes, drawJson, drawMetadata } from './draw.ts';
import { fuzz } from './fuzz.ts';
import { configs, ggufModels, llamaSafetensors, tokenizerJsons, tokenizerMetadata, vocabularies } from './seeds.ts';

const MB = 1 << 20;
const sizeOf = (file: Uint8Array) => file.length;

async function readTensors({ tensors }: Pick<Checkpoint, 'tensors'>): Promise<void> {
  for (const tensor of tensors.values()) await tensor.read(0, new Uint8Array(Math.min(16, tensor.byteLength)));
}

function tokenize(spec: TokenizerSpec): void {
  const tokenizer = createTokenizer(spec);
  const ids = tokenizer.encode(' the <|im_end|>heat\né 2 ', { addBos: true });
  tokenizer.decode(ids, { special: true });
}

it('GGUF', async () => {
  const seeds = [...(await ggufModels()), ...(await vocabularies())];
  const parse = async (file: Uint8Array) => readTensors(await openGguf(memorySource(file, 'x.gguf')));
  expect(await fuzz(1_000_000, { draw: drawBytes(seeds), sizeOf, parse, slack: MB })).toBeGreaterThan(100);
});

it('safetensors', async () => {
  const seeds = [await llamaSafetensors()];
  const parse = async (file: Uint8Array) => readTensors(await readSafetensors(memorySource(file, 'x.safetensors')));
  expect(await fuzz(2_000_000, { draw: drawBytes(seeds), sizeOf, parse, slack: MB })).toBeGreaterThan(100);
});

it('tokenizer.json', async () => {
  const parse = (file: Uint8Array) => {
    const json = parseJsonObject(decodeUtf8(file, 'tokenizer.json', 'the text', 0), 'tokenizer.json');
    tokenize(tokenizerFromHuggingFace({ tokenizer: json }, 'tokenizer.json'));
  };
  expect(await fuzz(3_000_000, { draw: drawJson(tokenizerJsons), sizeOf, parse, slack: 8 * MB })).toBeGreaterThan(100);
});

it('tokenizers in GGUF metadata', async () => {
  const files = await vocabularies();
  const spoiledBytes = drawBytes(files);
  const spoiledValues = drawMetadata(tokenizerMetadata);
  const draw = (random: Random, index: number) => (index % 2 === 0 ? spoiledBytes(random) : spoiledValues(random));
  const parse = async (file: Uint8Array | Map<string, unknown>) => {
    const metadata = file instanceof Map ? file : (await readGguf(memorySource(file, 'x.gguf'))).metadata;
    tokenize(tokenizerFromGguf(metadata, 'x.gguf'));
  };
  const size = (file: Uint8Array | Map<string, unknown>) => (file instanceof Map ? files[0].length : file.length);
  expect(await fuzz(4_000_000, { draw, sizeOf: size, parse, slack: 8 * MB })).toBeGreaterThan(100);
});

it('config.json', async () => {
  const weights = await llamaSafetensors();
  const parse = async (file: Uint8Array) => {
    const files = new Map([
      ['config.json', file],
      ['model.safetensors', weights],
    ]);
    const open = async (name: string) => (files.has(name) ? memorySource(files.get(name)!, name) : undefined);
    const folder: Folder = { name: 'folder', open };
    await openHuggingFaceFolder(folder);
  };
  expect(await fuzz(5_000_000, { draw: drawJson(configs), sizeOf, parse, slack: MB })).toBeGreaterThan(100);
});
