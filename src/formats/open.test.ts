import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HubServer, startHub } from '../../test/hubServer.ts';
import { sharedData } from '../../test/sharedData.ts';
import { FormatError, SourceError } from '../core/errors.ts';
import { formatByName } from '../tensor/formats.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type GgufValue, ggufBytes } from './gguf/write.ts';
import { openCheckpoint } from './open.ts';
import { safetensorsBytes } from './safetensors/write.ts';

const F32 = formatByName('F32');
const text = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

/** A vector of two numbers, to be told apart by its bytes. */
function tensor(name: string, byte: number) {
  return { name, format: F32, shape: [2], data: new Uint8Array(8).fill(byte) };
}

async function firstByte(checkpoint: Checkpoint, name: string): Promise<number> {
  const into = new Uint8Array(1);
  await checkpoint.tensors.get(name)!.read(0, into);
  return into[0];
}

/** The files of a folder of every kind of model. */
async function makeFiles(): Promise<Map<string, Uint8Array>> {
  const split = (no: number, extra: [string, GgufValue][] = []): [string, GgufValue][] => [
    ['split.no', { type: 'u16', value: no }],
    ['split.count', { type: 'u16', value: 3 }],
    ['split.tensors.count', { type: 'i32', value: 4 }],
    ...extra,
  ];
  const gguf = (metadata: [string, GgufValue][], ...names: string[]) =>
    ggufBytes({ metadata, tensors: names.map((name, i) => tensor(name, i + 1)) });
  const llama: [string, GgufValue] = ['general.architecture', 'llama'];
  const chatTemplate: [string, GgufValue] = ['tokenizer.chat_template', '{{ messages }}'];
  const tokenizerConfig = { chat_template: [{ name: 'default', template: 'from config' }] };
  const map = { a: 'model-1.safetensors', b: 'model-1.safetensors', c: 'model-2.safetensors' };
  const shard = (...names: string[]) => safetensorsBytes({ tensors: names.map((name, i) => tensor(name, i + 1)) });
  return new Map([
    ['one.gguf', await gguf([llama, chatTemplate], 'a', 'b')],
    ['split-00001-of-00003.gguf', await gguf(split(0, [llama]), 'a')],
    ['split-00002-of-00003.gguf', await gguf(split(1), 'b', 'c')],
    ['split-00003-of-00003.gguf', await gguf(split(2), 'd')],
    ['lacking-00001-of-00003.gguf', await gguf(split(0, [llama]), 'a')],
    ['mixed-00001-of-00003.gguf', await gguf(split(0, [llama]), 'a')],
    ['mixed-00002-of-00003.gguf', await gguf(split(2), 'b')],
    ['twice-00001-of-00003.gguf', await gguf(split(0, [llama]), 'a')],
    ['twice-00002-of-00003.gguf', await gguf(split(1), 'a')],
    ['twice-00003-of-00003.gguf', await gguf(split(2), 'b')],
    ['few-00001-of-00003.gguf', await gguf(split(0, [llama]), 'a')],
    ['few-00002-of-00003.gguf', await gguf(split(1), 'b')],
    ['few-00003-of-00003.gguf', await gguf(split(2), 'c')],
    ['whole/config.json', text({ model_type: 'llama', hidden_size: 8 })],
    ['whole/generation_config.json', text({ eos_token_id: 2 })],
    ['whole/tokenizer_config.json', text(tokenizerConfig)],
    ['whole/model.safetensors', await shard('a', 'b')],
    ['sharded/config.json', text({ model_type: 'llama' })],
    ['sharded/tokenizer_config.json', text({ chat_template: 'from config' })],
    ['sharded/chat_template.jinja', text('from its file')],
    ['sharded/model.safetensors.index.json', text({ metadata: {}, weight_map: map })],
    ['sharded/model-1.safetensors', await shard('a', 'b', 'not listed')],
    ['sharded/model-2.safetensors', await shard('c')],
    ['lying/config.json', text({})],
    ['lying/model.safetensors.index.json', text({ weight_map: { ...map, d: 'model-2.safetensors' } })],
    ['lying/model-1.safetensors', await shard('a', 'b')],
    ['lying/model-2.safetensors', await shard('c')],
    ['leaving/config.json', text({})],
    ['leaving/model.safetensors.index.json', text({ weight_map: { a: '../model.safetensors' } })],
    ['weightless/config.json', text({})],
    ['broken/config.json', text('{"model_type": ')],
    ['list/config.json', text([])],
    ['deep/config.json', text(`{"a":${'['.repeat(100)}${']'.repeat(100)}}`)],
    ['other/x.gguf', text('<html>not a model</html>')],
    ['tiny/x.gguf', text('GG')],
  ]);
}

let folder: string;
let hub: HubServer;
let files: Map<string, Uint8Array>;

beforeAll(async () => {
  files = await makeFiles();
  folder = await mkdtemp(join(tmpdir(), 'espalier-open-'));
  hub = await startHub();
  for (const [name, bytes] of files) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), bytes);
    hub.files.set(`/models/${name}`, bytes);
    hub.files.set(`/owner/repo/resolve/main/${name}`, bytes);
  }
});
afterAll(async () => {
  await hub.close();
  await rm(folder, { recursive: true });
});

const places: [string, () => string][] = [
  ['a folder', () => `${folder}/`],
  ['a URL', () => `${hub.url}/models/`],
  ['a hub', () => 'hf:owner/repo/'],
];

describe.each(places)('in %s', (_, place) => {
  const open = (name: string) =>
    openCheckpoint(place() + name, { cache: { folder: join(folder, 'cache'), endpoint: hub.url } });

  it('a GGUF file opens', async () => {
    const checkpoint = await open('one.gguf');
    expect(checkpoint.kind).toBe('gguf');
    expect(checkpoint.chatTemplate).toBe('{{ messages }}');
    expect(checkpoint.tokenizer).toBeUndefined();
    expect(checkpoint.byteLength).toBe(files.get('one.gguf')!.length);
    expect(await firstByte(checkpoint, 'b')).toBe(2);
    await checkpoint.close();
  });

  it.each(['00001', '00002', '00003'])('a split GGUF opens by its part %s', async (part) => {
    const checkpoint = await open(`split-${part}-of-00003.gguf`);
    expect(checkpoint.metadata.get('general.architecture')).toBe('llama');
    expect([...checkpoint.tensors.keys()]).toEqual(['a', 'b', 'c', 'd']);
    expect([await firstByte(checkpoint, 'c'), await firstByte(checkpoint, 'd')]).toEqual([2, 1]);
    await checkpoint.close();
  });

  it('a Hugging Face folder opens', async () => {
    const checkpoint = await open('whole');
    expect(checkpoint.kind).toBe('huggingface');
    expect(Object.fromEntries(checkpoint.metadata)).toEqual({
      model_type: 'llama',
      hidden_size: 8,
      generation_config: { eos_token_id: 2 },
    });
    expect(checkpoint.chatTemplate).toBe('from config');
    expect(await firstByte(checkpoint, 'b')).toBe(2);
    await checkpoint.close();
  });

  it('a sharded Hugging Face folder opens', async () => {
    const checkpoint = await open('sharded');
    expect([...checkpoint.tensors.keys()]).toEqual(['a', 'b', 'c']);
    expect(checkpoint.chatTemplate).toBe('from its file');
    expect(await firstByte(checkpoint, 'c')).toBe(1);
    await checkpoint.close();
  });

  it('a safetensors file opens alone', async () => {
    const checkpoint = await open('whole/model.safetensors');
    expect([...checkpoint.tensors.keys()]).toEqual(['a', 'b']);
    expect(checkpoint.metadata.size).toBe(0);
    await checkpoint.close();
  });

  it.each([
    ['missing.gguf', SourceError, /no such file|has no file missing\.gguf/],
    ['lacking-00001-of-00003.gguf', FormatError, /the part lacking-00002-of-00003\.gguf is missing/],
    ['mixed-00001-of-00003.gguf', FormatError, /says that it is part 2 of 3 \(counted from 0\), expected 1 of 3/],
    ['twice-00001-of-00003.gguf', FormatError, /tensor a is in an earlier part too/],
    ['few-00001-of-00003.gguf', FormatError, /split\.tensors\.count is 4 but the parts hold 3 tensors/],
    ['lying', FormatError, /model-2\.safetensors: has no tensor d, which model\.safetensors\.index\.json places there/],
    [
      'leaving',
      FormatError,
      /places tensor a in "\.\.\/model\.safetensors", expected the name of a \.safetensors file/,
    ],
    ['weightless', SourceError, /has no model\.safetensors, which holds its weights/],
    ['broken', FormatError, /config\.json: is not JSON/],
    ['list', FormatError, /config\.json: holds \[\], expected a JSON object/],
    ['deep', FormatError, /config\.json: nests objects and arrays 101 deep, expected at most 64/],
    ['other/x.gguf', FormatError, /begins with "<html>not": it is neither GGUF nor safetensors/],
    ['tiny/x.gguf', FormatError, /begins with "GG"/],
  ])('%s is refused', async (name, kind, message) => {
    const error = await open(name).catch((error) => error);
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toMatch(message);
  });
});

describe('without a place', () => {
  it('bytes, buffers and Files open', async () => {
    const bytes = new Uint8Array(files.get('one.gguf')!);
    const handle = { getFile: async () => new File([bytes], 'one.gguf') } as unknown as FileSystemFileHandle;
    for (const source of [bytes, bytes.buffer, new Blob([bytes]), new File([bytes], 'one.gguf'), handle]) {
      const checkpoint = await openCheckpoint(source);
      expect(await firstByte(checkpoint, 'b')).toBe(2);
      await checkpoint.close();
    }
  });

  it('one part of a split GGUF is refused', async () => {
    const work = openCheckpoint(files.get('split-00001-of-00003.gguf')!);
    await expect(work).rejects.toThrow('is one of 3 parts, which are found only by a path or URL');
  });

  it('an aborted signal is heard', async () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    for (const source of [files.get('one.gguf')!, `${folder}/one.gguf`, `${hub.url}/models/one.gguf`]) {
      await expect(openCheckpoint(source, { signal })).rejects.toThrow('stopped');
    }
  });
});

const chat = sharedData('weights/chat-3m');
it.skipIf(!chat)('a folder of the transformers library opens with its tokenizer', async () => {
  const checkpoint = await openCheckpoint(chat!);
  expect(checkpoint.metadata.get('model_type')).toBe('gpt_neo');
  expect(checkpoint.metadata.get('generation_config')).toBeTypeOf('object');
  expect(checkpoint.tokenizer?.kind).toBe('bpe');
  await checkpoint.close();
});
