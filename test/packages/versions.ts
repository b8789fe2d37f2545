/** Versions of a small package for the tests of this folder. */
import { seededRandom } from '../../src/core/random.ts';
import { memorySink } from '../../src/formats/byteSink.ts';
import { writeGguf } from '../../src/formats/gguf/write.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import {
  openComponent,
  type PackageStore,
  type Publication,
  type Published,
  publish,
} from '../../src/package/index.ts';
import { formatByName } from '../../src/tensor/formats.ts';

export const PACKAGE = 'tiny';

/** A GGUF of three Q4_0 matrices and a vector. @param noise moves the weights @param rows of each matrix, 64 wide @param more rows of another one */
export async function smallModel(noise: number, rows = 64, more = 0): Promise<Uint8Array> {
  const [weights, moves] = [seededRandom(1), seededRandom(2)];
  const [Q4_0, F32] = [formatByName('Q4_0'), formatByName('F32')];
  const matrix = (name: string, rows: number) => {
    const values = Float32Array.from({ length: rows * 64 }, () => weights.normal() + noise * moves.normal());
    const data = new Uint8Array((values.length / 32) * 18);
    Q4_0.encode(values, 0, data, 0, values.length / 32);
    return { name, format: Q4_0, shape: [rows, 64], data };
  };
  const sink = memorySink();
  await writeGguf(sink, {
    metadata: [
      ['general.architecture', 'llama'],
      ['general.description', `noise ${noise}`],
      ['tokens', Array.from({ length: 12 }, (_, i) => `token ${i}`)],
    ],
    tensors: [
      ...['a', 'b', 'c'].map((name) => matrix(name, rows)),
      ...(more > 0 ? [matrix('d', more)] : []),
      { name: 'norm', format: F32, shape: [7], data: new Uint8Array(28).fill(1) },
    ],
  });
  return sink.bytes();
}

export function publishModel(target: Publication, version: string, model: Uint8Array): Promise<Published> {
  const file = (role: string, fileName: string, bytes: Uint8Array) => ({ role, fileName, source: memorySource(bytes) });
  const template = new TextEncoder().encode(`{{ version_${version} }}`);
  const components = [file('base', 'model.gguf', model), file('template', 'template.jinja', template)];
  return publish(target, components, { name: PACKAGE, version });
}

/** Reads all bytes of an installed component, through their hashes. */
export async function installedBytes(store: PackageStore, role = 'base'): Promise<Uint8Array> {
  const source = await openComponent(store, PACKAGE, role);
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes.length, bytes).finally(() => source.close());
  return bytes;
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
