/** Everything that `openCheckpoint` takes as a source, and what it says to anything else. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HubServer, startHub } from '../../test/hubServer.ts';
import { EspalierError, OptionError } from '../core/errors.ts';
import { formatByName } from '../tensor/formats.ts';
import * as cache from './download/cache.ts';
import { ggufBytes } from './gguf/write.ts';
import { type CheckpointSource, openCheckpoint } from './open.ts';
import { safetensorsBytes } from './safetensors/write.ts';

const F32 = formatByName('F32');
const text = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const tensor = (name: string) => ({ name, format: F32, shape: [2], data: new Uint8Array(8).fill(name.charCodeAt(0)) });
const pointer = text(`version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 4567890\n`);

let hub: HubServer;
let place: string;
let gguf: Uint8Array<ArrayBuffer>;
let shards: Uint8Array<ArrayBuffer>[];
let weights: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  hub = await startHub();
  place = await mkdtemp(join(tmpdir(), 'espalier-sources-'));
  const own = (bytes: Uint8Array) => new Uint8Array(bytes);
  gguf = own(await ggufBytes({ metadata: [['general.architecture', 'llama']], tensors: [tensor('a')] }));
  shards = await Promise.all(
    ['a', 'b'].map(async (name, i) =>
      own(
        await ggufBytes({
          metadata: [
            ['split.no', { type: 'u16', value: i }],
            ['split.count', { type: 'u16', value: 2 }],
          ],
          tensors: [tensor(name)],
        }),
      ),
    ),
  );
  weights = own(await safetensorsBytes({ tensors: [tensor('a')] }));
});
afterAll(async () => {
  await hub.close();
  await rm(place, { recursive: true });
});

async function tensorsOf(source: CheckpointSource): Promise<string> {
  const checkpoint = await openCheckpoint(source, { retry: { tries: 1 } });
  const names = [...checkpoint.tensors.keys()].join();
  const into = new Uint8Array(1);
  for (const [name, each] of checkpoint.tensors) {
    await each.read(0, into);
    expect(into[0]).toBe(name.charCodeAt(0));
  }
  await checkpoint.finish?.();
  await checkpoint.close();
  return names;
}

const failure = (source: unknown) =>
  openCheckpoint(source as CheckpointSource, { retry: { tries: 1 } }).then(
    () => expect.fail('it should have failed'),
    (error: EspalierError) => error,
  );

describe('URLs are opened by their first bytes', () => {
  it.each(['/api/model', '/dl/7', '/signed?token=x.safetensors', '/model.bin'])('%s', async (path) => {
    hub.files.set(path.replace(/\?.*/, ''), gguf);
    expect(await tensorsOf(hub.url + path)).toBe('a');
  });

  it('behind a redirect', async () => {
    const path = '/owner/repo/resolve/main/x.gguf';
    hub.files.set(path, gguf);
    expect(await tensorsOf(hub.url + path)).toBe('a');
  });

  it('in chunks and compressed', async () => {
    hub.files.set('/odd', gguf);
    for (const fault of [{ hidesLength: true, ignoresRange: true }, { gzip: true }]) {
      hub.fault = () => fault;
      expect(await tensorsOf(`${hub.url}/odd`)).toBe('a');
    }
    hub.fault = () => undefined;
  });

  it('a folder of any name, with and without a slash', async () => {
    hub.files.set('/models/v1.5/config.json', text({ model_type: 'llama' }));
    hub.files.set('/models/v1.5/model.safetensors', weights);
    expect(await tensorsOf(`${hub.url}/models/v1.5`)).toBe('a');
    expect(await tensorsOf(`${hub.url}/models/v1.5/`)).toBe('a');
  });

  it('neither a file nor a folder', async () => {
    const { message, data } = await failure(`${hub.url}/nothing`);
    expect(message).toMatch(/nothing: is neither a model file \(.*\) nor a folder with a config\.json/);
    expect(data.status).toBe(404);
  });

  it('data: and blob:', async () => {
    const base64 = Buffer.from(gguf).toString('base64');
    expect(await tensorsOf(`data:application/octet-stream;base64,${base64}`)).toBe('a');
    const url = URL.createObjectURL(new Blob([gguf]));
    expect(await tensorsOf(url)).toBe('a');
    URL.revokeObjectURL(url);
    expect((await failure(url)).message).toMatch(/^blob:.*cannot be reached/);
  });
});

describe('a repository without config.json', () => {
  const open = (commit: string, files: Record<string, Uint8Array>) => {
    hub.publish(commit, files);
    return openCheckpoint('hf:owner/repo', { cache: { endpoint: hub.url, folder: join(place, commit) } });
  };

  it('opens by its only GGUF model', async () => {
    const checkpoint = await open('4'.repeat(40), { 'README.md': text('hello'), 'model-Q8_0.gguf': gguf });
    expect([...checkpoint.tensors.keys()]).toEqual(['a']);
    await checkpoint.close();
  });

  it('names its GGUF models where there are several', async () => {
    const files = { 'model-Q4_0.gguf': gguf, 'model-Q8_0.gguf': gguf };
    await expect(open('5'.repeat(40), files)).rejects.toThrow('name one of model-Q4_0.gguf, model-Q8_0.gguf');
  });

  it('is no model folder where it has none', async () => {
    await expect(open('6'.repeat(40), { 'README.md': text('hello') })).rejects.toThrow('has no config.json');
  });
});

describe('a model that is only downloaded', () => {
  const commit = '7'.repeat(40);
  const location = () => ({ cache: { endpoint: hub.url, folder: join(place, 'added') } });

  it('is there without its server, with all of its files', async () => {
    hub.publish(commit, { 'config.json': text({ model_type: 'llama' }), 'model.safetensors': weights });
    await cache.add('hf:owner/repo', location());
    const listed = await cache.list(location().cache);
    expect(listed.map(({ source }) => source)).toEqual([
      `hf:owner/repo@${commit}/config.json`,
      `hf:owner/repo@${commit}/model.safetensors`,
    ]);
    hub.refusal = () => ({ status: 503 });
    const checkpoint = await openCheckpoint('hf:owner/repo', location());
    expect([...checkpoint.tensors.keys()]).toEqual(['a']);
    await checkpoint.close();
    hub.refusal = () => undefined;
  });

  it('is an error with a code where it cannot be stored', async () => {
    await writeFile(join(place, 'no-folder'), '');
    const error = await cache
      .add('hf:owner/repo', { cache: { endpoint: hub.url, folder: join(place, 'no-folder') } })
      .catch((error) => error);
    expect(error).toBeInstanceOf(EspalierError);
    expect(error.code).toBe('NOT_KEPT');
  });
});

describe('several Files', () => {
  it('the parts of a split GGUF, in any order', async () => {
    const files = shards.map((bytes, i) => new File([bytes], `x-0000${i + 1}-of-00002.gguf`));
    expect(await tensorsOf(files.reverse())).toBe('a,b');
    const error = await failure([files[0]]);
    expect(error.message).toMatch('is one of 2 parts');
  });

  it('a Hugging Face folder, picked or listed', async () => {
    const files = [new File([text({ model_type: 'llama' })], 'config.json'), new File([weights], 'model.safetensors')];
    expect(await tensorsOf(files)).toBe('a');
    for (const file of files) Object.defineProperty(file, 'webkitRelativePath', { value: `picked/${file.name}` });
    const list = Object.assign(Object.create({ item: () => null }), { ...files, length: 2 }) as ArrayLike<File>;
    expect(await tensorsOf(list)).toBe('a');
  });

  it('one file of any name, and one among others', async () => {
    expect(await tensorsOf([new File([gguf], 'model')])).toBe('a');
    expect(await tensorsOf([new File([gguf], 'x.gguf'), new File(['hello'], 'README.md')])).toBe('a');
    expect((await failure([new File([gguf], 'x.gguf'), new File([gguf], 'y.gguf')])).message).toMatch(
      'several models: name one of x.gguf, y.gguf',
    );
  });
});

describe('handles, answers and streams', () => {
  const handle = (files: Record<string, BlobPart>) => ({
    name: 'picked',
    async *keys() {
      yield* Object.keys(files);
    },
    getFileHandle: async (name: string) => {
      if (!(name in files)) throw new DOMException('', 'NotFoundError');
      return { getFile: async () => new File([files[name]], name) };
    },
    getDirectoryHandle: () => Promise.reject(new DOMException('', 'NotFoundError')),
  });

  it('a handle of a directory', async () => {
    expect(await tensorsOf(handle({ 'config.json': '{}', 'model.safetensors': weights }))).toBe('a');
    expect(await tensorsOf(handle({ 'x.gguf': gguf }))).toBe('a');
  });

  it('a Response, and its stream', async () => {
    hub.files.set('/r', gguf);
    expect(await tensorsOf(await fetch(`${hub.url}/r`))).toBe('a');
    expect(await tensorsOf((await fetch(`${hub.url}/r`)).body!)).toBe('a');
    expect((await failure(await fetch(`${hub.url}/none`))).message).toMatch('404');
    const used = new Response(gguf);
    await used.arrayBuffer();
    expect(await failure(used)).toBeInstanceOf(OptionError);
  });
});

describe('paths', () => {
  it('a folder that holds nothing but a GGUF model', async () => {
    const folder = join(place, 'gguf');
    await mkdir(folder);
    await writeFile(join(folder, 'model.gguf'), gguf);
    expect(await tensorsOf(folder)).toBe('a');
    expect(await tensorsOf(pathToFileURL(folder))).toBe('a');
    await writeFile(join(folder, 'other.gguf'), gguf);
    expect((await failure(folder)).message).toMatch('several models: name one of model.gguf, other.gguf');
  });

  it('Git LFS pointers are called by their name', async () => {
    const folder = join(place, 'pointers');
    await mkdir(folder);
    await writeFile(join(folder, 'x.gguf'), pointer);
    await writeFile(join(folder, 'config.json'), '{}');
    await writeFile(join(folder, 'model.safetensors'), pointer);
    for (const source of [join(folder, 'x.gguf'), folder, pointer]) {
      const { code, message } = await failure(source);
      expect(code).toBe('BAD_FORMAT');
      expect(message).toMatch(/is a Git LFS pointer for 4,567,890 bytes.*git lfs pull/);
    }
    await writeFile(join(folder, 'model.safetensors'), weights);
    await writeFile(join(folder, 'tokenizer.json'), pointer);
    expect((await failure(folder)).message).toMatch(/tokenizer\.json: is a Git LFS pointer/);
  });

  it('a file of a Hugging Face folder that is no model by itself', async () => {
    const path = join(place, 'config.json');
    await writeFile(path, '{"model_type": "llama"}');
    expect((await failure(path)).message).toMatch(/a model is opened by its folder/);
  });
});

describe('what is no source', () => {
  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    [5, '5'],
    [true, 'true'],
    ['', 'an empty text'],
    ['  ', 'an empty text'],
    [[], 'an empty list'],
    [{}, 'an object of the class Object'],
    [() => {}, 'a function'],
    [['x.gguf'], 'a string'],
    [new Map(), 'an object of the class Map'],
  ])('%o is an OptionError that names source', async (source, found) => {
    const error = await failure(source);
    expect(error).toBeInstanceOf(OptionError);
    expect(error.data.option).toMatch(/^source/);
    expect(error.data.found).toBe(found);
  });

  it('an empty file and a file: URL of another machine are said', async () => {
    expect((await failure(new Uint8Array(0))).message).toMatch('is empty');
    expect(await failure('file://server/x.gguf')).toBeInstanceOf(EspalierError);
  });
});
