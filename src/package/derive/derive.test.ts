import { describe, expect, it } from 'vitest';
import { memoryPublication } from '../../../test/memoryPublication.ts';
import { seededRandom } from '../../core/random.ts';
import { memorySink } from '../../formats/byteSink.ts';
import { writeGguf } from '../../formats/gguf/write.ts';
import { openComponent } from '../../formats/packages/componentSource.ts';
import { memoryFiles } from '../../formats/packages/memoryFiles.ts';
import { PackageStore } from '../../formats/packages/packageStore.ts';
import { memorySource } from '../../formats/sources/memory.ts';
import { formatByName } from '../../tensor/formats.ts';
import { publish } from '../update/publish.ts';
import { pull } from '../update/pull.ts';
import { verifyDerivations } from './verifyDerivations.ts';

/** Rows of 65,536 weights: 64 of them are more than one piece in Q8_0. */
const WIDTH = 65_536;
const MANY = 64;

/** A GGUF with a matrix in a block format, quantized from float32 or from another format's values. */
async function model(format: string, rows: number, from?: string, spoil = false): Promise<Uint8Array> {
  const count = rows * WIDTH;
  const random = seededRandom(4);
  let values = Float32Array.from({ length: count }, () => random.normal());
  const quantized = (name: string, values: Float32Array) => {
    const { blockSize, blockBytes, encode } = formatByName(name);
    const data = new Uint8Array((count / blockSize) * blockBytes);
    encode.call(formatByName(name), values, 0, data, 0, count / blockSize);
    return data;
  };
  if (from) {
    const data = quantized(from, values);
    values = new Float32Array(count);
    formatByName(from).decode(data, 0, values, 0, count / formatByName(from).blockSize);
  }
  const data = quantized(format, values);
  if (spoil) data[100]! ^= 1;
  const sink = memorySink();
  await writeGguf(sink, {
    metadata: [['general.architecture', 'llama']],
    tensors: [{ name: 'w', format: formatByName(format), shape: [rows, WIDTH], data }],
  });
  return sink.bytes();
}

describe('another quantization of an installed model', () => {
  const files = new Map<string, Uint8Array>();
  async function publishModel(version: string, bytes: Uint8Array): Promise<void> {
    const component = { role: 'base', fileName: 'm.gguf', source: memorySource(bytes) };
    await publish(memoryPublication(files), [component], { name: 'm', version });
  }

  async function installed(store: PackageStore): Promise<Uint8Array> {
    const source = await openComponent(store, 'm');
    const bytes = new Uint8Array(source.size);
    await source.read(0, bytes.length, bytes);
    return bytes;
  }

  it.each([
    ['Q4_0', MANY],
    ['Q4_K', 2],
  ] as const)('is made on the device, in %s', async (format, rows) => {
    files.clear();
    const store = new PackageStore(memoryFiles());
    await publishModel('1', await model('Q8_0', rows));
    await pull(store, memoryPublication(files));
    const four = await model(format, rows, 'Q8_0');
    await publishModel('2', four);
    const { plan } = await pull(store, memoryPublication(files));
    // the header changes, too
    expect(plan).toMatchObject({ pieces: { whole: 0, delta: 1 }, totalBytes: four.length });
    expect(plan.pieces.derive).toBeGreaterThan(0);
    expect(plan.fetchBytes).toBeLessThan(20_000);
    expect(Buffer.compare(await installed(store), four)).toBe(0);
    const [verified] = await verifyDerivations(memoryPublication(files));
    expect(verified).toMatchObject({ from: '1', to: '2', pieces: plan.pieces.derive });
  });

  it('is fetched where the published bytes are not those of the recipe', async () => {
    files.clear();
    const store = new PackageStore(memoryFiles());
    await publishModel('1', await model('Q8_0', 2));
    await pull(store, memoryPublication(files));
    const other = await model('Q4_0', 2, 'Q8_0', true);
    await publishModel('2', other);
    const { plan } = await pull(store, memoryPublication(files));
    expect(plan.pieces.derive).toBe(0);
    expect(plan.fetchBytes).toBeGreaterThan(10_000);
    expect(Buffer.compare(await installed(store), other)).toBe(0);
  });
});
