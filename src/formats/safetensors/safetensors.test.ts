import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../../test/sharedData.ts';
import { FormatError, OptionError, UnsupportedError } from '../../core/errors.ts';
import { bytesOf } from '../../tensor/blockFormat.ts';
import { formatByName } from '../../tensor/formats.ts';
import type { CheckpointTensor } from '../checkpoint.ts';
import { memorySource } from '../sources/memory.ts';
import { readSafetensors } from './read.ts';
import { safetensorsBytes } from './write.ts';

const F32 = formatByName('F32');

const read = (bytes: Uint8Array) => readSafetensors(memorySource(bytes, 'm.safetensors'));

async function bytesOfTensor(tensor: CheckpointTensor): Promise<Uint8Array> {
  const into = new Uint8Array(tensor.byteLength);
  await tensor.read(0, into);
  return into;
}

/** A file with this header text and this number of data bytes. */
function file(header: string, dataBytes: number): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

describe('a safetensors file that was written', () => {
  it('survives a round trip with any contents', async () => {
    const tensor = fc.record({
      format: fc.constantFrom(F32, formatByName('F16'), formatByName('BF16')),
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
      seed: fc.nat(255),
    });
    const name = fc.string({ unit: 'grapheme' }).filter((name) => name !== '__metadata__');
    const metadata = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }));
    await fc.assert(
      fc.asyncProperty(metadata, fc.uniqueArray(name), fc.infiniteStream(tensor), async (pairs, names, stream) => {
        const tensors = names.map((name) => {
          const { format, shape, seed } = stream.next().value;
          const elements = shape.reduce((a: number, b: number) => a * b, 1);
          const length = bytesOf(format, elements);
          return { name, format, shape, data: new Uint8Array(length).fill(seed) };
        });
        const bytes = await safetensorsBytes({ metadata: Object.entries(pairs), tensors });
        const found = await read(bytes);
        expect([...found.metadata]).toEqual(Object.entries(pairs));
        expect(new Set(found.tensors.keys())).toEqual(new Set(names));
        for (const { name, format, shape, data } of tensors) {
          const tensor = found.tensors.get(name)!;
          expect([tensor.format, tensor.shape]).toEqual([format, shape]);
          expect(await bytesOfTensor(tensor)).toEqual(data);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('rejects contents that the format does not allow', async () => {
    const tensor = { name: 'a', format: F32, shape: [1], data: new Uint8Array(4) };
    await expect(safetensorsBytes({ tensors: [tensor, tensor] })).rejects.toThrow(OptionError);
    const quantized = { ...tensor, format: formatByName('Q4_0'), shape: [32] };
    await expect(safetensorsBytes({ tensors: [quantized] })).rejects.toThrow('format of a is Q4_0');
  });
});

it('a tensor of an unsupported type throws only when it is read', async () => {
  const bytes = file('{"inv_freq":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}', 16);
  const tensor = (await read(bytes)).tensors.get('inv_freq')!;
  expect([tensor.format.name, tensor.byteLength]).toEqual(['F64', 16]);
  await expect(tensor.read(0, new Uint8Array(16))).rejects.toThrow(UnsupportedError);
  await expect(tensor.read(0, new Uint8Array(16))).rejects.toThrow(
    'm.safetensors: tensor inv_freq: dtype F64 is not supported; supported: F32, F16, BF16',
  );
});

describe('a safetensors file that is broken', () => {
  const a = (entry: string) => file(`{"a":${entry}}`, 8);
  it.each([
    ['nothing', new Uint8Array(0), /bytes 0 to 8 were asked for but the file has 0/],
    ['a length that lies', file('{}', 0).fill(255, 0, 8), /header's length at byte 0 is 18,446,744,073,709,551,615/],
    ['no JSON', file('{"a"', 0), /header has its end near byte 12, expected ':'/],
    ['more than JSON', file('{} x', 0), /header has "x" near byte 11, expected its end/],
    ['no objects', file('{"a":1}', 0), /header has "1}" near byte 13, expected '{'/],
    ['a broken string', file('{"a', 0), /expected a string/],
    ['a broken escape', file('{"\\x":{}}', 0), /expected a string/],
    ['deep nesting', a(`{"shape":${'['.repeat(1e6)}`), /expected a whole number/],
    ['a fraction', a('{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}'), /header has ".5/],
    ['invalid UTF-8', file('{"a\xff":{}}', 0).fill(0xff, 11, 12), /the header at byte 8 is not valid UTF-8/],
    ['a name twice', file('{"a":{},"a":{}}', 0), /header has the key "a" twice, again near byte 16/],
    ['no dtype', a('{}'), /tensor a has the dtype undefined, expected one of F32/],
    ['an unknown dtype', a('{"dtype":"Q9"}'), /tensor a has the dtype "Q9"/],
    ['no shape', a('{"dtype":"F32","shape":"2"}'), /tensor a has the shape "2"/],
    ['too many dimensions', a(`{"shape":[${'1,'.repeat(64)}1]}`), /expected at most 64 numbers/],
    [
      'too many tensors',
      file(`{${Array.from({ length: 65_537 }, (_, i) => `"${i}":{}`)}}`, 0),
      /at most 65,536 entries/,
    ],
    ['no offsets', a('{"dtype":"F32","shape":[2],"data_offsets":[0]}'), /tensor a has the data_offsets \[0\]/],
    [
      'other offsets',
      a('{"dtype":"F32","shape":[2],"data_offsets":[0,4]}'),
      /expected 8 bytes as its shape \[2\] of F32/,
    ],
    ['reversed offsets', a('{"dtype":"F32","shape":[2],"data_offsets":[8,0]}'), /expected 8 bytes/],
    [
      'an absurd shape',
      a(`{"dtype":"F32","shape":[${2 ** 52},2],"data_offsets":[0,8]}`),
      /more elements than any file/,
    ],
    [
      'data behind the end',
      a('{"dtype":"F32","shape":[2],"data_offsets":[4,12]}'),
      /tensor a ends at byte .* truncated/,
    ],
    [
      'tensors that overlap',
      file(
        '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        8,
      ),
      /tensor b starts at byte .* but a ends at .* they overlap/,
    ],
    ['metadata that is no text', file('{"__metadata__":{"a":[1]}}', 0), /__metadata__ a is not a string/],
  ])('is reported if it has %s', async (_, bytes, message) => {
    const error = await read(bytes).catch((error) => error);
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(message);
  });

  it('is reported if it is truncated anywhere', async () => {
    const bytes = await safetensorsBytes({
      tensors: [{ name: 'a', format: F32, shape: [2], data: new Uint8Array(8) }],
    });
    for (let length = 0; length < bytes.length; length++) {
      await expect(read(bytes.slice(0, length))).rejects.toThrow(FormatError);
    }
  });
});

const chat = sharedData('weights/chat-3m/model.safetensors');
it.skipIf(!chat)('reads a file of the safetensors library', async () => {
  const { tensors } = await read(new Uint8Array(readFileSync(chat!)));
  expect(tensors.get('transformer.wte.weight')?.shape).toHaveLength(2);
});
