import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../../test/sharedData.ts';
import { FormatError, OptionError, UnsupportedError } from '../../core/errors.ts';
import { bytesOf } from '../../tensor/blockFormat.ts';
import { blockFormats, formatByName } from '../../tensor/formats.ts';
import type { CheckpointTensor } from '../checkpoint.ts';
import { memorySource } from '../sources/memory.ts';
import { encodeLoosely } from '../utf8.ts';
import { readGguf } from './read.ts';
import { type GgufValue, ggufBytes, typedMetadata } from './write.ts';

const F32 = formatByName('F32');
const Q4_0 = formatByName('Q4_0');

/** A small model: one F32 vector and one Q4_0 matrix of two rows. */
function small(metadata: [string, GgufValue][] = [['general.architecture', 'llama']]): Promise<Uint8Array> {
  return ggufBytes({
    metadata,
    tensors: [
      { name: 'norm', format: F32, shape: [3], data: new Uint8Array(new Float32Array([1, 2, 3]).buffer) },
      { name: 'matrix', format: Q4_0, shape: [2, 32], data: () => new Uint8Array(36).fill(7) },
    ],
  });
}

const read = (bytes: Uint8Array) => readGguf(memorySource(bytes, 'm.gguf'));

async function bytesOfTensor(tensor: CheckpointTensor): Promise<Uint8Array> {
  const into = new Uint8Array(tensor.byteLength);
  await tensor.read(0, into);
  return into;
}

/** Offset of the first occurrence of a text in a file. */
function find(bytes: Uint8Array, text: string): number {
  return Buffer.from(bytes).indexOf(text);
}

/** A copy with a little-endian number written at an offset. */
function patched(bytes: Uint8Array, offset: number, size: 1 | 4 | 8, value: number | bigint): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  if (size === 8) view.setBigUint64(offset, BigInt(value), true);
  else if (size === 4) view.setUint32(offset, Number(value), true);
  else view.setUint8(offset, Number(value));
  return copy;
}

describe('a GGUF file that was written', () => {
  it('reads back with the slowest dimension first', async () => {
    const file = await read(await small());
    expect(file.version).toBe(3);
    expect(file.metadata).toEqual(new Map([['general.architecture', 'llama']]));
    expect([...file.tensors.keys()]).toEqual(['norm', 'matrix']);
    const matrix = file.tensors.get('matrix')!;
    expect(matrix.shape).toEqual([2, 32]);
    expect(matrix.byteLength).toBe(36);
    expect(await bytesOfTensor(matrix)).toEqual(new Uint8Array(36).fill(7));
  });

  it('has the types that llama.cpp expects', async () => {
    const file = await read(
      await ggufBytes({
        metadata: [
          ['llama.block_count', 4],
          ['llama.rope.freq_base', 10000],
          ['llama.attention.layer_norm_rms_epsilon', 1e-5],
          ['negative', -1],
          ['large', 2 ** 40],
          ['huge', 2n ** 63n],
          ['flag', true],
          ['tokenizer.ggml.tokens', ['a', 'é', '\uFEFF', '']],
          ['tokenizer.ggml.scores', [0, -1]],
          ['tokenizer.ggml.token_type', [1, 2]],
          ['flags', [true, false]],
          ['packed', new Uint16Array([1, 2])],
          ['nested', { type: 'i32[][]', value: [[1], [2, 3]] }],
        ],
        tensors: [],
      }),
    );
    expect(Object.fromEntries(file.types)).toEqual({
      'llama.block_count': 'u32',
      'llama.rope.freq_base': 'f32',
      'llama.attention.layer_norm_rms_epsilon': 'f32',
      negative: 'i32',
      large: 'u64',
      huge: 'u64',
      flag: 'bool',
      'tokenizer.ggml.tokens': 'string[]',
      'tokenizer.ggml.scores': 'f32[]',
      'tokenizer.ggml.token_type': 'i32[]',
      flags: 'bool[]',
      packed: 'u16[]',
      nested: 'i32[][]',
    });
    expect(file.metadata.get('large')).toBe(2 ** 40);
    expect(file.metadata.get('huge')).toBe(2n ** 63n);
    expect(file.metadata.get('tokenizer.ggml.tokens')).toEqual(['a', 'é', '\uFEFF', '']);
    expect(file.metadata.get('tokenizer.ggml.scores')).toEqual(new Float32Array([0, -1]));
    expect(file.metadata.get('flags')).toEqual(new Uint8Array([1, 0]));
    expect(file.metadata.get('nested')).toEqual([new Int32Array([1]), new Int32Array([2, 3])]);
  });

  it('survives a round trip with any contents', async () => {
    const scalar = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.boolean(),
      fc.integer(),
      fc.double({ noNaN: true }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.array(fc.string()),
      fc.array(fc.boolean()),
      fc.array(fc.integer()),
      fc.float32Array(),
      fc.uint8Array(),
    );
    const shape = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 });
    const tensor = fc.record({ format: fc.constantFrom(...blockFormats), shape, seed: fc.nat(255) });
    const names = fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string(), scalar),
        names,
        fc.infiniteStream(tensor),
        async (pairs, names, stream) => {
          const metadata = new Map<string, GgufValue>(Object.entries(pairs));
          const tensors = names.map((name) => {
            const { format, shape, seed } = stream.next().value;
            const whole = [...shape.slice(0, -1), shape.at(-1)! * format.blockSize];
            const elements = whole.reduce((a, b) => a * b, 1);
            return { name, format, shape: whole, data: new Uint8Array(bytesOf(format, elements)).fill(seed) };
          });
          const bytes = await ggufBytes({ metadata, tensors });
          const file = await read(bytes);
          expect([...file.tensors.keys()]).toEqual(names);
          for (const { name, format, shape, data } of tensors) {
            const found = file.tensors.get(name)!;
            expect([found.format, found.shape]).toEqual([format, shape]);
            expect(Buffer.compare(await bytesOfTensor(found), data)).toBe(0);
          }
          expect(Buffer.compare(await ggufBytes({ metadata: typedMetadata(file), tensors }), bytes)).toBe(0);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('can be read with any window size', async () => {
    const tokens = Array.from(
      { length: 100_000 },
      (_, i) => ['', 'é', '\uFEFF', '😀', 'token'][i % 5] + 'x'.repeat(i % 20),
    );
    const bytes = await small([
      ['before', 1],
      ['tokenizer.ggml.tokens', tokens],
      ['after', 2],
    ]);
    let most = 0;
    const source = memorySource(bytes);
    const counting = {
      ...source,
      read: (...args: Parameters<typeof source.read>) => {
        most = Math.max(most, args[0] + args[1]);
        return source.read(...args);
      },
    };
    const file = await readGguf(counting);
    expect(file.metadata.get('tokenizer.ggml.tokens')).toEqual(tokens);
    expect(file.metadata.get('after')).toBe(2);
    expect(most).toBeLessThanOrEqual(bytes.length);
  });

  it('rejects values and shapes that GGUF cannot represent', async () => {
    const writes: [string, GgufValue][] = [
      ['key', { type: 'u8', value: 256 }],
      ['key', { type: 'u32', value: 'text' }],
      ['key', { type: 'float', value: 1 }],
      ['general.alignment', 12],
    ];
    for (const pair of writes) await expect(small([pair])).rejects.toThrow(OptionError);
    const odd = { name: 'odd', format: Q4_0, shape: [33], data: new Uint8Array(0) };
    await expect(ggufBytes({ metadata: [], tensors: [odd] })).rejects.toThrow('row length of odd is 33');
    const short = { name: 'short', format: F32, shape: [2], data: new Uint8Array(4) };
    await expect(ggufBytes({ metadata: [], tensors: [short] })).rejects.toThrow('has 4 bytes of data');
  });
});

describe('a GGUF file that is broken', () => {
  const broken = async (
    bytes: Uint8Array,
    message: string | RegExp,
    kind: new (...args: never[]) => Error = FormatError,
  ) => {
    const error = await read(bytes).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(error).toBeInstanceOf(kind);
    expect(error!.message).toMatch(message);
  };

  it('is reported if it is another format', async () => {
    await broken(new TextEncoder().encode('<html><body>'), /^m\.gguf: starts with 0x6d74683c instead of 'GGUF'/);
    await broken(new Uint8Array(0), /truncated/);
    await broken(patched(await small(), 4, 4, 1), /GGUF version 1 is not supported; supported: 2, 3/, UnsupportedError);
    await broken(patched(await small(), 4, 4, 0x03000000), /big endian is not supported/, UnsupportedError);
  });

  it('is reported if it is truncated anywhere', async () => {
    const bytes = await small();
    const data = (await read(bytes)).dataOffset;
    for (let length = 0; length < data + 36 + 32; length++)
      await broken(bytes.slice(0, length), /truncated|only \d+ are left/);
  });

  it('is reported if a count or a length is wrong', async () => {
    const bytes = await small([['list', ['a']]]);
    await broken(patched(bytes, 8, 8, 2n ** 63n), /number of tensors at byte 8 is 9,223,372,036,854,776,000/);
    await broken(patched(bytes, 16, 8, 1e6), /number of metadata pairs at byte 16 is 1,000,000/);
    await broken(patched(bytes, 24, 8, 1e6), /length of metadata key 0 at byte 24 is 1,000,000/);
    const many = Buffer.concat([bytes, new Uint8Array(2_000_000)]);
    await broken(
      patched(many, 16, 8, 65_537),
      /number of metadata pairs at byte 16 is 65,537, expected at most 65,536/,
    );
    const list = find(bytes, 'list') + 4;
    await broken(patched(bytes, list + 8, 8, 1e6), /length of array metadata list at byte 44 is 1,000,000/);
  });

  it('is reported if a tensor is invalid', async () => {
    const bytes = await small();
    const matrix = find(bytes, 'matrix') + 6;
    await broken(patched(bytes, matrix, 4, 9), /tensor matrix has 9 dimensions/);
    await broken(patched(bytes, matrix + 4, 8, 2n ** 60n), /tensor matrix has the shape \[2, 1152921504606847000\]/);
    await broken(patched(bytes, matrix + 4, 8, 33), /tensor matrix has rows of 33, expected a multiple of 32/);
    await broken(
      patched(bytes, matrix + 20, 4, 99),
      /m\.gguf: tensor matrix: type 99 is not supported; supported: F32/,
      UnsupportedError,
    );
    await broken(
      patched(bytes, matrix + 24, 8, 33),
      /tensor matrix starts at byte 33 of the data, which is not a multiple/,
    );
    await broken(patched(bytes, matrix + 24, 8, 0), /tensor matrix starts at byte .* but norm ends at .* they overlap/);
    await broken(
      patched(bytes, matrix + 24, 8, 1 << 20),
      /tensor matrix ends at byte .* but the file has .* truncated/,
    );
    await broken(patched(bytes, matrix + 24, 8, 2n ** 64n - 32n), /tensor matrix starts at byte .* beyond any file/);
  });

  it('is reported if names repeat', async () => {
    const bytes = await small([
      ['key1', 1],
      ['key2', 2],
    ]);
    const twice = patched(bytes, find(bytes, 'key2') + 3, 1, '1'.charCodeAt(0));
    await broken(twice, /metadata key key1 at byte 44 occurs twice/);
    const same = (name: string) => ({ name, format: F32, shape: [1], data: new Uint8Array(4) });
    const tensors = await ggufBytes({ metadata: [], tensors: [same('aa'), same('ab')] });
    await broken(patched(tensors, find(tensors, 'ab') + 1, 1, 'a'.charCodeAt(0)), /tensor aa is listed twice/);
  });

  it('keeps bytes of strings that are not UTF-8, and refuses such names', async () => {
    const bytes = await ggufBytes({
      metadata: [
        ['text', 'aéb'],
        ['list', ['é', '€c']],
      ],
      tensors: [],
    });
    const cut = patched(patched(bytes, find(bytes, 'é') + 1, 1, 0x20), find(bytes, '€') + 2, 1, 0xff);
    const { metadata } = await readGguf(memorySource(cut));
    expect(metadata.get('text')).toBe('a\udcc3 b');
    expect(metadata.get('list')).toEqual(['é', '\udce2\udc82\udcffc']);
    expect([...encodeLoosely('a\udcc3 b')]).toEqual([0x61, 0xc3, 0x20, 0x62]);
    await broken(patched(bytes, find(bytes, 'list'), 1, 0xff), /metadata key 1 at byte \d+ is not valid UTF-8/);
  });

  it('is reported if a value does not have its type', async () => {
    const bytes = await small([
      ['text', 'é'],
      ['flag', true],
    ]);
    await broken(patched(bytes, find(bytes, 'flag') + 8, 1, 2), /metadata flag holds 2 at byte .* expected a boolean/);
    await broken(patched(bytes, find(bytes, 'flag') + 4, 4, 13), /metadata flag has type number 13/);
    await broken(patched(await small([['general.alignment', 32]]), 24 + 8 + 17 + 4, 4, 12), /general.alignment is 12/);
    const deep = await small([['deep', { type: 'u8[][][][][]', value: [[[[[1]]]]] }]]);
    await broken(deep, /metadata deep nests arrays more than 4 deep/);
  });
});

describe('a GGUF file of llama.cpp', () => {
  const model = sharedData('weights/stories260K.gguf');
  it.skipIf(!model)('is read, and written again byte by byte', async () => {
    const bytes = new Uint8Array(readFileSync(model!));
    const file = await read(bytes);
    expect(file.metadata.get('general.architecture')).toBe('llama');
    const tensors = await Promise.all(
      [...file.tensors.values()].map(async (tensor) => ({
        ...tensor,
        name: tensor.name,
        data: await bytesOfTensor(tensor),
      })),
    );
    const again = await ggufBytes({ metadata: typedMetadata(file), tensors });
    expect(Buffer.compare(again, bytes)).toBe(0);
  });

  const vocabulary = sharedData('tokenizers/llama.cpp-vocabs/ggml-vocab-falcon.gguf');
  it.skipIf(!vocabulary)('may hold a vocabulary only', async () => {
    const file = await read(new Uint8Array(readFileSync(vocabulary!)));
    expect(file.tensors.size).toBe(0);
    expect((file.metadata.get('tokenizer.ggml.tokens') as string[]).length).toBe(65024);
  });
});
