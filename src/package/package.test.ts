import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryPublication as publication } from '../../test/memoryPublication.ts';
import { seededRandom } from '../core/random.ts';
import { memorySink } from '../formats/byteSink.ts';
import { readGguf } from '../formats/gguf/read.ts';
import { writeGguf } from '../formats/gguf/write.ts';
import { canonicalJson } from '../formats/packages/canonicalJson.ts';
import { openComponent } from '../formats/packages/componentSource.ts';
import { generationOf, type Manifest, manifestBytes, readManifest } from '../formats/packages/manifest.ts';
import { memoryFiles } from '../formats/packages/memoryFiles.ts';
import { PackageStore } from '../formats/packages/packageStore.ts';
import type { StoreFiles } from '../formats/packages/storeFiles.ts';
import { memorySource } from '../formats/sources/memory.ts';
import { formatByName } from '../tensor/formats.ts';
import { publish } from './update/publish.ts';
import { type PullOptions, pull } from './update/pull.ts';
import { openRemote } from './update/remote.ts';

/** A GGUF of four Q4_0 matrices and a vector; `noise` moves the weights, `note` changes the metadata. */
async function model(noise = 0, note = 'first'): Promise<Uint8Array> {
  const [weights, moves] = [seededRandom(1), seededRandom(2)];
  const [Q4_0, F32] = [formatByName('Q4_0'), formatByName('F32')];
  const matrix = (name: string) => {
    const values = Float32Array.from({ length: 256 * 128 }, () => weights.normal() + noise * moves.normal());
    const data = new Uint8Array((values.length / 32) * 18);
    Q4_0.encode(values, 0, data, 0, values.length / 32);
    return { name, format: Q4_0, shape: [256, 128], data };
  };
  const sink = memorySink();
  await writeGguf(sink, {
    metadata: [
      ['general.architecture', 'llama'],
      ['general.description', note],
      ['tokens', Array.from({ length: 3000 }, (_, i) => `token ${i}`)],
    ],
    tensors: [
      ...['a', 'b', 'c', 'd'].map(matrix),
      { name: 'norm', format: F32, shape: [7], data: new Uint8Array(28).fill(1) },
    ],
  });
  return sink.bytes();
}

interface Parts {
  readonly model: Uint8Array;
  readonly template?: string;
}

async function publishVersion(
  files: Map<string, Uint8Array>,
  version: string,
  { model, template = '{{ messages }}' }: Parts,
) {
  const components = [
    { role: 'base', fileName: 'model.gguf', source: memorySource(model) },
    { role: 'template', fileName: 'template.jinja', source: memorySource(new TextEncoder().encode(template)) },
  ];
  return publish(publication(files), components, { name: 'tiny', version });
}

async function installed(store: PackageStore, role = 'base'): Promise<Uint8Array> {
  const source = await openComponent(store, 'tiny', role);
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes.length, bytes);
  await source.close();
  return bytes;
}

/** toEqual takes a tenth of a second for such files. */
function expectSame(found: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(found, expected)).toBe(0);
}

let first: Uint8Array;
let second: Uint8Array;
beforeAll(async () => {
  [first, second] = [await model(), await model(0.01, 'the second version')];
});

it('sorts the keys of canonical JSON by UTF-16 units, as RFC 8785 shows', () => {
  const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 };
  const expected = '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}';
  expect(canonicalJson(value)).toBe(expected);
  expect(canonicalJson([1e30, 4.5, 0.002, 1e-27])).toBe('[1e+30,4.5,0.002,1e-27]');
});

describe('a package over HTTP', () => {
  const files = new Map<string, Uint8Array>();
  let sent = 0;
  let server: Server;
  let url: string;
  beforeAll(async () => {
    server = createServer((request, response) => {
      const bytes = files.get(decodeURIComponent(request.url!.slice(1)));
      if (!bytes) return void response.writeHead(404).end();
      const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
      if (from === undefined) return void response.end(bytes);
      const end = Math.min(bytes.length, to ? Number(to) + 1 : bytes.length);
      const part = bytes.subarray(Number(from), end);
      sent += part.length;
      response.writeHead(206, {
        'content-range': `bytes ${from}-${end - 1}/${bytes.length}`,
        'content-length': part.length,
      });
      response.end(part);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(() => void server.close());

  it('installs a version, updates it by deltas, and rolls back without a byte', async () => {
    const store = new PackageStore(memoryFiles());
    const remote = await openRemote(url);
    await publishVersion(files, '1', { model: first });
    expect(await pull(store, remote)).toMatchObject({ version: '1', changed: true });
    expectSame(await installed(store), first);
    expect(await pull(store, remote)).toMatchObject({ changed: false });

    const { updates } = await publishVersion(files, '2', { model: second });
    sent = 0;
    const result = await pull(store, remote);
    expect(result).toMatchObject({ version: '2', changed: true, plan: { pieces: { whole: 0, delta: 5, have: 2 } } });
    expectSame(await installed(store), second);
    expectSame(await installed(store, 'template'), new TextEncoder().encode('{{ messages }}'));
    // latest.json, and the update file as a whole: nothing else
    expect(sent).toBe([...updates.values()][0] + files.get('latest.json')!.length);
    expect(sent).toBeLessThan(0.15 * second.length);

    sent = 0;
    await store.rollback('tiny');
    expectSame(await installed(store), first);
    expect(sent).toBe(0);
  });

  it('changes a template in less than 3 kB', async () => {
    files.clear();
    const store = new PackageStore(memoryFiles());
    const remote = await openRemote(url);
    await publishVersion(files, '1', { model: first });
    await pull(store, remote);
    await publishVersion(files, '2', { model: first, template: '{{ bos_token }}{{ messages }}' });
    sent = 0;
    expect((await pull(store, remote)).plan.pieces).toEqual({ have: 6, derive: 0, delta: 0, whole: 1 });
    expect(sent).toBeLessThan(3000);
  });

  it('skips a version with an update of its own', async () => {
    files.clear();
    const store = new PackageStore(memoryFiles());
    const remote = await openRemote(url);
    await publishVersion(files, '1', { model: first });
    await pull(store, remote);
    await publishVersion(files, '2', { model: second });
    const { updates } = await publishVersion(files, '3', { model: await model(0.02, 'the third') });
    expect(updates.size).toBe(2);
    expect((await pull(store, remote)).plan.pieces.whole).toBe(0);
    expectSame(await installed(store), await model(0.02, 'the third'));
  });

  it('refuses more bytes than allowed, and plans without fetching', async () => {
    const store = new PackageStore(memoryFiles());
    const remote = await openRemote(url);
    await expect(pull(store, remote, { maxBytes: 1000 })).rejects.toMatchObject({
      code: 'TOO_MANY_BYTES',
      data: { allowed: 1000 },
    });
    const { plan, changed } = await pull(store, remote, { dryRun: true });
    expect({ changed, whole: plan.pieces.whole }).toEqual({ changed: false, whole: 7 });
    expect(await store.current('tiny')).toBeUndefined();
  });
});

it('does not publish a file that changes meanwhile', async () => {
  const files = new Map<string, Uint8Array>();
  let reads = 0;
  const source = memorySource(first);
  const changing = {
    ...source,
    read: async (offset: number, length: number, into: Uint8Array) => {
      await source.read(offset, length, into);
      if (offset === 0 && length > 4 && reads++ > 1) into[length - 1] ^= 1;
    },
  };
  const components = [{ role: 'base', fileName: 'model.gguf', source: changing }];
  await expect(publish(publication(files), components, { name: 'tiny', version: '1' })).rejects.toMatchObject({
    code: expect.stringMatching(/BAD_(PIECE|FORMAT)/),
  });
  expect([...files.keys()]).toEqual([]);
});

it('returns to the version before when the new one fails its probe', async () => {
  const files = new Map<string, Uint8Array>();
  const store = new PackageStore(memoryFiles());
  const remote = publication(files);
  await publishVersion(files, '1', { model: first });
  await pull(store, remote);
  await publishVersion(files, '2', { model: second });
  const probe = async () => {
    throw new Error('it answers nonsense');
  };
  await expect(pull(store, remote, { probe })).rejects.toThrow('nonsense');
  expectSame(await installed(store), first);
});

/** Files that stop working at the n-th change, which leaves `torn` of its bytes or, if undefined, none of its effect. */
function cutAt(files: StoreFiles, n: number, torn: number | undefined, raw: Map<string, Uint8Array>): StoreFiles {
  let changes = 0;
  const cut = new Error('the power failed');
  const alive = () => {
    if (changes > n) throw cut;
  };
  return {
    ...files,
    async write(path, bytes) {
      alive();
      if (changes++ < n) return files.write(path, bytes);
      if (torn !== undefined) raw.set(path, bytes.slice(0, Math.floor(torn * bytes.length)));
      throw cut;
    },
    async remove(path) {
      alive();
      if (changes++ < n) return files.remove(path);
      throw cut;
    },
  };
}

it('has the old or the new version, whole, after a cut at any change and any byte', async () => {
  const files = new Map<string, Uint8Array>();
  const remote = publication(files);
  await publishVersion(files, '1', { model: first });
  const before = new Map<string, Uint8Array>();
  await pull(new PackageStore(memoryFiles(before)), remote);
  await publishVersion(files, '2', { model: second });
  const outcomes = new Set<string>();
  for (let n = 0, isCut = true; isCut; n++) {
    for (const torn of [undefined, 0, 0.5, 0.999]) {
      const raw = new Map([...before].map(([path, bytes]) => [path, bytes.slice()]));
      const dying = new PackageStore(cutAt(memoryFiles(raw), n, torn, raw));
      isCut = await pull(dying, remote)
        .then(() => dying.collect())
        .then(
          () => false,
          () => true,
        );
      const store = new PackageStore(memoryFiles(raw));
      const found = await installed(store);
      const isOld = found.length === first.length && found.every((byte, i) => byte === first[i]);
      if (!isOld) expectSame(found, second);
      outcomes.add(isOld ? 'old' : 'new');
      // and the next pull completes it
      await pull(store, remote);
      expectSame(await installed(store), second);
    }
  }
  expect(outcomes).toEqual(new Set(['old', 'new']));
});

describe('damage', () => {
  const files = new Map<string, Uint8Array>();
  const before = new Map<string, Uint8Array>();
  beforeAll(async () => {
    await publishVersion(files, '1', { model: first });
    await pull(new PackageStore(memoryFiles(before)), publication(files));
    await publishVersion(files, '2', { model: second, template: 'another' });
  });

  it.each(['latest.json', 'manifests/', 'updates/', 'files/'])(
    'of %s is refused by name or without effect',
    async (kind) => {
      for (const [path, bytes] of files) {
        if (!path.startsWith(kind)) continue;
        for (let i = 0; i < bytes.length; i += Math.ceil(bytes.length / 12)) {
          const damaged = new Map(files);
          const copy = bytes.slice();
          copy[i] ^= 1 << (i % 8);
          damaged.set(path, copy);
          await expectOldOrNew(damaged);
        }
        await expectOldOrNew(new Map(files).set(path, bytes.slice(0, bytes.length >> 1)));
      }
    },
  );

  async function expectOldOrNew(published: Map<string, Uint8Array>): Promise<void> {
    const raw = new Map(before);
    const store = new PackageStore(memoryFiles(raw));
    const error = await pull(store, publication(published)).then(
      () => undefined,
      (error) => error,
    );
    if (error) expect(error.code).toMatch(/^(BAD_|UNSUPPORTED)/);
    expectSame(await installed(new PackageStore(memoryFiles(raw))), error ? first : second);
  }
});

describe('hostile manifests', () => {
  const sound = async (): Promise<Manifest> => (await publishVersion(new Map(), '1', { model: first })).manifest;
  const refused = (value: unknown) => () => readManifest(manifestBytes(value as Manifest), 'm.json');

  it('are refused: paths, sizes that lie, roles and pieces that cannot be', async () => {
    const value = await sound();
    const [base] = value.components;
    const withBase = (change: object) => ({ ...value, components: [{ ...base, ...change }] });
    const withFile = (change: object) => withBase({ file: { ...base.file, ...change } });
    expect(refused(withFile({ name: '../../etc/passwd' }))).toThrow('expected a file name');
    expect(refused(withFile({ name: '..' }))).toThrow('expected a file name');
    expect(refused(withFile({ bytes: 1 }))).toThrow('expected 1');
    expect(refused(withFile({ bytes: 1e300 }))).toThrow('components.0.file.bytes');
    expect(refused(withBase({ role: 'base/../x' }))).toThrow('expected a role');
    expect(refused({ ...value, components: [base, base] })).toThrow('shares its role');
    expect(refused({ ...value, extra: 1 })).toThrow('extra');
    expect(refused({ ...value, components: Array(10_001).fill(base) })).toThrow('components');
    expect(refused(withBase({ sections: [{ name: 'x', pieces: [{ sha256: 'A'.repeat(64), bytes: 5 }] }] }))).toThrow(
      'SHA-256',
    );
    const odd = [{ name: 'x', type: 'Q4_0', pieces: [{ sha256: 'a'.repeat(64), bytes: 17 }] }];
    expect(refused({ ...withBase({ sections: odd, file: { ...base.file, bytes: 17 } }) })).toThrow('multiple of 18');
    const piece = { sha256: 'a'.repeat(64), bytes: 36 };
    const lying = [{ name: 'x', type: 'Q4_0', shape: [3, 32], pieces: [piece] }];
    expect(refused(withBase({ sections: lying, file: { ...base.file, bytes: 36 } }))).toThrow(
      'has 36 bytes, expected 54 for [3, 32] in Q4_0',
    );
  });

  it('are refused where their JSON is not canonical or not of the expected hash', async () => {
    const value = await sound();
    const loose = new TextEncoder().encode(JSON.stringify(value, null, 1));
    expect(() => readManifest(loose, 'm.json')).toThrow('canonical');
    expect(() => readManifest(manifestBytes(value), 'm.json', 'f'.repeat(64))).toThrow('damaged or another manifest');
    expect(readManifest(manifestBytes(value), 'm.json', generationOf(value))).toEqual(value);
  });
});

it('aborts a pull, which later goes on with what it has', async () => {
  const files = new Map<string, Uint8Array>();
  const raw = new Map<string, Uint8Array>();
  const remote = publication(files);
  await publishVersion(files, '1', { model: first });
  const controller = new AbortController();
  const options: PullOptions = {
    signal: controller.signal,
    onProgress: ({ done }) => done > 30_000 && controller.abort(),
  };
  await expect(pull(new PackageStore(memoryFiles(raw)), remote, options)).rejects.toThrow('abort');
  const store = new PackageStore(memoryFiles(raw));
  const { plan } = await pull(store, remote);
  expect(plan.pieces.have).toBeGreaterThan(0);
  expectSame(await installed(store), first);
});

it('is read in any parts as a file, and names what it does not have', async () => {
  const files = new Map<string, Uint8Array>();
  await publishVersion(files, '1', { model: first });
  const store = new PackageStore(memoryFiles());
  await pull(store, publication(files));
  const source = await openComponent(store, 'tiny');
  const random = seededRandom(5);
  for (let i = 0; i < 200; i++) {
    const from = random.integer(first.length);
    const part = new Uint8Array(random.integer(first.length - from));
    await source.read(from, part.length, part);
    expectSame(part, first.subarray(from, from + part.length));
  }
  expect([...(await readGguf(source)).tensors.keys()]).toEqual(['a', 'b', 'c', 'd', 'norm']);
  await expect(openComponent(store, 'tiny', 'adapter/legal')).rejects.toThrow(
    'no component adapter/legal; it has base, template',
  );
  await expect(openComponent(store, 'huge')).rejects.toMatchObject({ code: 'NOT_INSTALLED' });
});
