import { beforeEach, describe, expect, it } from 'vitest';
import { memoryPublication } from '../../../test/memoryPublication.ts';
import { seededRandom } from '../../core/random.ts';
import { memorySink } from '../../formats/byteSink.ts';
import { writeGguf } from '../../formats/gguf/write.ts';
import { openComponent } from '../../formats/packages/componentSource.ts';
import { memoryFiles } from '../../formats/packages/memoryFiles.ts';
import { PackageStore } from '../../formats/packages/packageStore.ts';
import { memorySource } from '../../formats/sources/memory.ts';
import { formatByName } from '../../tensor/formats.ts';
import { createKeyPair, type PrivateKey, readPrivateKey } from '../trust/ecdsaKey.ts';
import { signPublication } from '../trust/signPublication.ts';
import { signStatement } from '../trust/statementBundle.ts';
import { TrustError } from '../trust/trustError.ts';
import { ROLES } from '../trust/tuf/repository.ts';
import { publish } from '../update/publish.ts';
import { pull } from '../update/pull.ts';
import { indexBytes, readUpdateIndex, writeUpdate } from '../update/updateFile.ts';
import { mergeAdapter } from './mergeAdapter.ts';
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
  if (spoil) data[100] ^= 1;
  const sink = memorySink();
  await writeGguf(sink, {
    metadata: [['general.architecture', 'llama']],
    tensors: [{ name: 'w', format: formatByName(format), shape: [rows, WIDTH], data }],
  });
  return sink.bytes();
}

/** Signs what is published, and returns the key of the statements. */
async function signed(files: Map<string, Uint8Array>): Promise<PrivateKey> {
  const key = await readPrivateKey((await createKeyPair()).privateKey, 'key.pem');
  const keys = Object.fromEntries(ROLES.map((role) => [role, key])) as Record<(typeof ROLES)[number], PrivateKey>;
  await signPublication(memoryPublication(files), { keys });
  return key;
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

  it('is fetched where a recipe makes other bytes on this device, and the recipe is named', async () => {
    files.clear();
    const [before, now] = [new Map<string, Uint8Array>(), new Map<string, Uint8Array>()];
    await publishModel('1', await model('Q8_0', 2));
    await pull(new PackageStore(memoryFiles(before)), memoryPublication(files));
    const other = await model('Q4_0', 2, 'Q8_0', true);
    await publishModel('2', other);
    await claimRecipe(files);
    const limited = new PackageStore(memoryFiles(new Map(before)));
    await expect(pull(limited, memoryPublication(files), { maxBytes: 5000 })).rejects.toMatchObject({
      code: 'TOO_MANY_BYTES',
      message: expect.stringContaining('a recipe failed on this device'),
    });
    for (const [path, bytes] of before) now.set(path, bytes.slice());
    const store = new PackageStore(memoryFiles(now));
    expect((await pull(store, memoryPublication(files))).plan.pieces).toMatchObject({ derive: 1 });
    expect(Buffer.compare(await installed(store), other)).toBe(0);
    await expect(verifyDerivations(memoryPublication(files))).rejects.toMatchObject({
      code: 'BAD_DERIVATION',
      data: { tensor: 'w' },
    });
  });
});

describe('a statement of derivation', () => {
  const files = new Map<string, Uint8Array>();
  let key: PrivateKey;
  let path: string;
  const verify = (pem = key.publicKey.pem) => verifyDerivations(memoryPublication(files), { publicKey: pem });

  beforeEach(async () => {
    files.clear();
    for (const [version, bytes] of [
      ['1', await model('Q8_0', 2)],
      ['2', await model('Q4_0', 2, 'Q8_0')],
    ] as const) {
      const component = { role: 'base', fileName: 'm.gguf', source: memorySource(bytes) };
      await publish(memoryPublication(files), [component], { name: 'm', version });
    }
    key = await signed(files);
    path = [...files.keys()].find((path) => path.startsWith('derivations/'))!;
  });

  const statement = () => {
    const { dsseEnvelope } = JSON.parse(new TextDecoder().decode(files.get(path)));
    return JSON.parse(Buffer.from(dsseEnvelope.payload, 'base64').toString());
  };
  const sign = async (value: unknown) =>
    files.set(path, await signStatement(new TextEncoder().encode(JSON.stringify(value)), key));

  it('names files, tensors and recipes', async () => {
    const latest = JSON.parse(new TextDecoder().decode(files.get('latest.json')));
    const [from] = Object.keys(latest.updates);
    const { subject, predicateType, predicate } = statement();
    expect(predicateType).toBe('https://slsa.dev/provenance/v1');
    expect(subject).toMatchObject([{ digest: { sha256: latest.generation } }, { name: 'm.gguf' }]);
    const { resolvedDependencies, externalParameters } = predicate.buildDefinition;
    expect(resolvedDependencies).toMatchObject([{ digest: { sha256: from } }, { name: 'm.gguf' }]);
    expect(externalParameters.recipes).toEqual([
      {
        ...{ component: 'base', tensor: 'w', sha256: [expect.stringMatching(/^[0-9a-f]{64}$/)] },
        quantize: { from: { component: 'base', tensor: 'w' }, to: 'Q4_0' },
      },
    ]);
    expect(await verify()).toMatchObject([{ signed: true }]);
  });

  it('is refused where the old file is another, even if the recipe makes the same of it', async () => {
    const latest = JSON.parse(new TextDecoder().decode(files.get('latest.json')));
    const [from] = Object.keys(latest.updates);
    const manifest = JSON.parse(new TextDecoder().decode(files.get(`manifests/${from}.json`)));
    const file = files.get(`files/${manifest.components[0].file.sha256}`)!;
    // the smallest change of one weight
    file[file.length - 5] ^= 1;
    await expect(verify()).rejects.toMatchObject({ code: 'BAD_DERIVATION', data: { tensor: 'w' } });
    file[file.length - 5] ^= 1;
    expect(await verify()).toMatchObject([{ signed: true }]);
  });

  it('is refused if it is missing, of another key, changed, or says something else than the update', async () => {
    const original = files.get(path)!;
    const said = statement();
    const spoiled = original.slice();
    spoiled[original.indexOf(0x22, original.length - 120) + 2] ^= 1;
    files.set(path, spoiled);
    await expect(verify()).rejects.toThrow(TrustError);
    const other = structuredClone(said);
    other.predicate.buildDefinition.externalParameters.recipes[0].quantize.to = 'Q4_1';
    await sign(other);
    await expect(verify()).rejects.toMatchObject({ code: 'BAD_DERIVATION', data: { part: 'recipes' } });
    await sign({ ...said, subject: [said.subject[0]] });
    await expect(verify()).rejects.toMatchObject({ code: 'BAD_DERIVATION', data: { part: 'subject' } });
    await sign({ ...said, predicateType: 'https://example.org/other' });
    await expect(verify()).rejects.toMatchObject({ code: 'BAD_BUNDLE' });
    files.delete(path);
    await expect(verify()).rejects.toMatchObject({ code: 'NOT_SIGNED' });
    files.set(path, original);
    const stranger = await readPrivateKey((await createKeyPair()).privateKey, 'other.pem');
    await expect(verify(stranger.publicKey.pem)).rejects.toMatchObject({ code: 'BAD_SIGNATURE' });
    expect(await verify()).toMatchObject([{ signed: true }]);
  });
});

/** Changes the update so that it says that the new tensor, piece 1, is made from the old one. */
async function claimRecipe(files: Map<string, Uint8Array>): Promise<void> {
  const [path, update] = [...files].find(([path]) => path.startsWith('updates/'))!;
  const packed = indexBytes(update);
  const index = await readUpdateIndex(update.subarray(4, 4 + packed), path);
  const head = await writeUpdate({ ...index, derived: [[1, 1]] }, update.subarray(4 + packed), []);
  files.set(path, new Uint8Array(Buffer.concat(head)));
  const latest = JSON.parse(new TextDecoder().decode(files.get('latest.json')));
  const [from] = Object.keys(latest.updates) as [string];
  latest.updates[from] = 4 + head[1].length + index.manifest[1];
  files.set('latest.json', new TextEncoder().encode(JSON.stringify(latest)));
}

describe('an adapter merged into an installed model', () => {
  const [outputs, inputs, rank] = [96, 512, 4];

  function matrix(format: string, seed: number, count: number): Uint8Array {
    const { blockSize, blockBytes, encode } = formatByName(format);
    const random = seededRandom(seed);
    const values = Float32Array.from({ length: count }, () => random.normal());
    const data = new Uint8Array((count / blockSize) * blockBytes);
    encode.call(formatByName(format), values, 0, data, 0, count / blockSize);
    return data;
  }

  async function gguf(metadata: [string, string | number][], tensors: [string, string, number[], number][]) {
    const sink = memorySink();
    await writeGguf(sink, {
      metadata,
      tensors: tensors.map(([name, format, shape, seed]) => ({
        name,
        format: formatByName(format),
        shape,
        data: matrix(
          format,
          seed,
          shape.reduce((a, b) => a * b),
        ),
      })),
    });
    return sink.bytes();
  }

  it.each(['Q8_0', 'Q4_0', 'Q4_K', 'F16'])('is made on the device, in %s', async (format) => {
    const files = new Map<string, Uint8Array>();
    const base = await gguf(
      [['general.architecture', 'llama']],
      [
        ['w', format, [outputs, inputs], 1],
        ['other', format, [outputs, inputs], 2],
      ],
    );
    const adapter = await gguf(
      [
        ['general.type', 'adapter'],
        ['general.architecture', 'llama'],
        ['adapter.type', 'lora'],
        ['adapter.lora.alpha', 8],
      ],
      [
        ['w.lora_a', 'F32', [rank, inputs], 3],
        ['w.lora_b', 'F32', [outputs, rank], 4],
      ],
    );
    const sink = memorySink();
    await mergeAdapter(memorySource(base), memorySource(adapter), sink);
    const merged = sink.bytes();
    expect(Buffer.compare(merged, base)).not.toBe(0);
    const file = (role: string, fileName: string, bytes: Uint8Array) => ({
      role,
      fileName,
      source: memorySource(bytes),
    });
    const remote = memoryPublication(files);
    const store = new PackageStore(memoryFiles());
    const components = [file('base', 'm.gguf', base), file('adapter/legal', 'legal.gguf', adapter)];
    await publish(remote, components, { name: 'm', version: '1' });
    await pull(store, remote);
    await publish(remote, [file('base', 'm.gguf', merged)], { name: 'm', version: '2' });
    const { plan } = await pull(store, remote);
    expect(plan).toMatchObject({ pieces: { derive: 1, whole: 0 } });
    expect(plan.fetchBytes).toBeLessThan(2000);
    const source = await openComponent(store, 'm');
    const bytes = new Uint8Array(source.size);
    await source.read(0, bytes.length, bytes);
    expect(Buffer.compare(bytes, merged)).toBe(0);
    expect(await verifyDerivations(remote)).toMatchObject([{ from: '1', to: '2', pieces: 1, signed: false }]);
    const { publicKey } = await signed(files);
    expect(await verifyDerivations(remote, { publicKey: publicKey.pem })).toMatchObject([{ pieces: 1, signed: true }]);
    const wrong = memorySource(
      await gguf([['general.architecture', 'llama']], [['w', format, [outputs, 2 * inputs], 1]]),
    );
    await expect(mergeAdapter(wrong, memorySource(adapter), memorySink())).rejects.toThrow('w [96, 512]');
  });
});

it('takes experts of an installed model on the device', async () => {
  const [experts, outputs, inputs] = [6, 64, 16_384];
  const { blockSize, blockBytes } = formatByName('Q8_0');
  const size = ((outputs * inputs) / blockSize) * blockBytes;
  const random = seededRandom(8);
  // more than one piece, and pieces that begin within an expert
  const old = Uint8Array.from({ length: experts * size }, () => random.integer(256));
  const stack = async (data: Uint8Array) => {
    const sink = memorySink();
    const shape = [data.length / size, outputs, inputs];
    const tensors = [{ name: 'blk.0.ffn_up_exps.weight', format: formatByName('Q8_0'), shape, data }];
    await writeGguf(sink, { metadata: [['general.architecture', 'llama']], tensors });
    return sink.bytes();
  };
  const chosen = [5, 0, 3, 2, 1];
  const fewer = await stack(Buffer.concat(chosen.map((i) => old.subarray(i * size, (i + 1) * size))));
  const files = new Map<string, Uint8Array>();
  const remote = memoryPublication(files);
  const store = new PackageStore(memoryFiles());
  const publishModel = (version: string, bytes: Uint8Array) =>
    publish(remote, [{ role: 'base', fileName: 'm.gguf', source: memorySource(bytes) }], { name: 'm', version });
  await publishModel('1', await stack(old));
  await pull(store, remote);
  await publishModel('2', fewer);
  const { plan } = await pull(store, remote);
  expect(plan).toMatchObject({ pieces: { derive: 2, whole: 0 } });
  expect(plan.fetchBytes).toBeLessThan(1000);
  const source = await openComponent(store, 'm');
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes.length, bytes);
  expect(Buffer.compare(bytes, fewer)).toBe(0);
  expect(await verifyDerivations(remote)).toMatchObject([{ pieces: 2 }]);
  const { publicKey } = await signed(files);
  expect(await verifyDerivations(remote, { publicKey: publicKey.pem })).toMatchObject([{ pieces: 2, signed: true }]);
});
