/**
 * Packages in OCI layouts and registries. With Debian's `docker-registry` and `skopeo` the registry is a real one, and another tool reads
 * what was pushed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeModel } from '../scripts/models/index.ts';
import { memorySource } from '../src/formats/sources/memory.ts';
import {
  createKeyPair,
  folderPublication,
  importFiles,
  memoryFiles,
  openComponent,
  openOci,
  openRemote,
  PackageStore,
  publish,
  pull,
  pushPackage,
  readPrivateKey,
  signPublication,
} from '../src/package/index.ts';
import { freePort } from './freePort.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-oci-'));
const at = (...names: string[]) => join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true }));

let model: Uint8Array;
let publicKey: string;

beforeAll(async () => {
  model = await makeModel({ architecture: 'llama', format: 'Q4_0' });
  const names = ['root', 'targets', 'snapshot', 'timestamp'] as const;
  const keys = Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, await readPrivateKey((await createKeyPair()).privateKey, name)] as const),
    ),
  );
  publicKey = keys.targets.publicKey.pem;
  await publishVersion('1', model);
  await signPublication(await folderPublication(at('site')), { keys });
});

async function publishVersion(version: string, base: Uint8Array): Promise<void> {
  const file = (role: string, fileName: string, bytes: Uint8Array) => ({ role, fileName, source: memorySource(bytes) });
  const components = [
    file('base', 'tiny.gguf', base),
    file('template', 'template.jinja', new TextEncoder().encode('{{ messages }}')),
    file('card', 'README.md', new TextEncoder().encode('# Tiny')),
  ];
  await publish(await folderPublication(at('site')), components, { name: 'tiny', version });
}

async function baseOf(store: PackageStore): Promise<Uint8Array> {
  const source = await openComponent(store, 'tiny');
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes.length, bytes);
  await source.close();
  return bytes;
}

describe('an image layout', () => {
  it('is written, read back, pulled and imported', async () => {
    const target = `oci:${at('layout')}:1.0`;
    const pushed = await pushPackage(await openRemote(at('site')), await openOci(target));
    expect(pushed).toMatchObject({ name: 'tiny', version: '1' });
    expect(pushed.sentBytes).toBeGreaterThan(model.length);
    const again = await pushPackage(await openRemote(at('site')), await openOci(target));
    expect(again).toMatchObject({ digest: pushed.digest, sentBytes: 0 });
    const store = new PackageStore(memoryFiles());
    expect(await pull(store, await openRemote(target), { trust: { publicKey } })).toMatchObject({ changed: true });
    expect(Buffer.compare(await baseOf(store), model)).toBe(0);
    const files = await importFiles(await openOci(target), await folderPublication(at('imported')));
    const expected = ['README.md', 'espalier-package.json', 'model.sig', 'template.jinja', 'tiny.gguf'];
    expect([...files].sort()).toEqual(expected);
    expect(readdirSync(at('imported')).sort()).toEqual(expected);
    expect(Buffer.compare(readFileSync(at('imported', 'tiny.gguf')), model)).toBe(0);
  });

  it('is refused when it is damaged, hostile, or something else', async () => {
    const target = `oci:${at('damaged')}:1.0`;
    const { digest } = await pushPackage(await openRemote(at('site')), await openOci(target));
    const manifestFile = at('damaged', 'blobs/sha256', digest);
    const sound = readFileSync(manifestFile, 'utf8');
    const manifest = JSON.parse(sound);
    const [layer] = manifest.layers;
    const blob = at('damaged', 'blobs/sha256', layer.digest.slice(7));
    const bytes = readFileSync(blob);
    bytes[bytes.length - 5] ^= 1;
    writeFileSync(blob, bytes);
    const store = new PackageStore(memoryFiles());
    await expect(pull(store, await openRemote(target))).rejects.toMatchObject({ code: 'BAD_PIECE' });
    await expect(importFiles(await openOci(target), await folderPublication(at('out')))).rejects.toMatchObject({
      code: 'BAD_PIECE',
    });
    const changes: Record<string, (value: typeof manifest) => void> = {
      'not inside a folder': (value) => (value.layers[0].annotations['org.cncf.model.filepath'] = '../../evil'),
      'names no file': (value) => delete value.layers[0].annotations,
      'expected application/vnd.cncf.model.manifest': (value) => {
        value.artifactType = 'application/x';
        value.config.mediaType = 'application/vnd.oci.image.config.v1+json';
      },
      'only unarchived layers': (value) => (value.layers[0].mediaType = 'application/vnd.cncf.model.weight.v1.tar'),
      'is no OCI image manifest': (value) => (value.layers = 'many'),
    };
    for (const [problem, change] of Object.entries(changes)) {
      const value = JSON.parse(sound);
      change(value);
      writeFileSync(manifestFile, JSON.stringify(value));
      await expect(importFiles(await openOci(target), await folderPublication(at('out')))).rejects.toThrow(problem);
    }
    const foreign = JSON.parse(sound);
    foreign.layers = foreign.layers.slice(0, 1);
    writeFileSync(manifestFile, JSON.stringify(foreign));
    await expect(openRemote(target)).rejects.toThrow('has no espalier-package.json');
    await expect(openRemote(`oci:${at('nothing')}:1`)).rejects.toThrow('there is no such artifact');
    await expect(openOci('oci://host')).rejects.toThrow('oci://HOST/NAME:TAG');
  });
});

const registry = '/usr/bin/docker-registry';
const haveRegistry = spawnSync(registry, ['--version']).status === 0;
const haveSkopeo = spawnSync('skopeo', ['--version']).status === 0;
if (!haveRegistry || !haveSkopeo) console.log("skipped: Debian's docker-registry and skopeo are not installed");
const oras = process.env.ORAS ?? 'oras';
const haveOras = spawnSync(oras, ['version']).status === 0;
if (!haveOras)
  console.log('skipped: oras is not installed (ORAS names its program; .ci/run builds it where there is Go)');

describe.skipIf(!haveRegistry || !haveSkopeo)('a registry', () => {
  let server: ChildProcess | undefined;
  afterEach(() => void server?.kill());

  async function start(more = ''): Promise<string> {
    const port = await freePort();
    const data = mkdtempSync(at('registry-'));
    const config = join(data, 'config.yml');
    writeFileSync(
      config,
      `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${data}/data\nhttp:\n  addr: 127.0.0.1:${port}\n${more}`,
    );
    server = spawn(registry, ['serve', config], { stdio: 'ignore' });
    const host = `127.0.0.1:${port}`;
    await expect
      .poll(
        () =>
          fetch(`http://${host}/v2/`).then(
            (response) => response.status > 0,
            () => false,
          ),
        { timeout: 20_000 },
      )
      .toBe(true);
    return host;
  }

  it('takes a package, gives it to skopeo, and installs it; blobs that it has are not sent again', async () => {
    const host = await start();
    const target = `oci://${host}/models/tiny:1.0`;
    const pushed = await pushPackage(await openRemote(at('site')), await openOci(target));
    const image = `docker://${host}/models/tiny:1.0`;
    const inspected = spawnSync('skopeo', ['inspect', '--raw', '--tls-verify=false', image]);
    expect(JSON.parse(inspected.stdout.toString())).toMatchObject({
      artifactType: 'application/vnd.cncf.model.manifest.v1+json',
      layers: { length: 5 },
    });
    const copied = spawnSync('skopeo', ['copy', '--src-tls-verify=false', image, `oci:${at('copy')}:1.0`]);
    expect(copied.stderr.toString() + copied.status).toMatch(/0$/);
    const files = await importFiles(await openOci(`oci:${at('copy')}:1.0`), await folderPublication(at('from-skopeo')));
    expect(files).toHaveLength(5);
    expect(Buffer.compare(readFileSync(at('from-skopeo', 'tiny.gguf')), model)).toBe(0);

    const store = new PackageStore(memoryFiles());
    const remote = await openRemote(target);
    expect(await pull(store, remote, { trust: { publicKey } })).toMatchObject({ version: '1', changed: true });
    expect(Buffer.compare(await baseOf(store), model)).toBe(0);
    expect(await pushPackage(await openRemote(at('site')), await openOci(target))).toEqual({ ...pushed, sentBytes: 0 });
    await expect(openRemote(`oci://${host}/models/other:1.0`)).rejects.toThrow('there is no such artifact');
  });

  it.skipIf(!haveOras)('is read by oras, and what oras attaches to a package leaves it installable', async () => {
    const host = await start();
    const target = `${host}/models/tiny:1.0`;
    await pushPackage(await openRemote(at('site')), await openOci(`oci://${target}`));
    const run = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync(oras, args, { cwd: folder });
      if (status !== 0) throw new Error(stderr.toString());
      return stdout.toString();
    };
    run('pull', '--plain-http', target, '--output', at('from-oras'));
    expect(readdirSync(at('from-oras')).sort()).toEqual([
      'README.md',
      'espalier-package.json',
      'model.sig',
      'template.jinja',
      'tiny.gguf',
    ]);
    expect(Buffer.compare(readFileSync(at('from-oras', 'tiny.gguf')), model)).toBe(0);
    writeFileSync(at('note.txt'), 'tested on a phone');
    run('attach', '--plain-http', '--artifact-type', 'application/vnd.example.note', target, 'note.txt:text/plain');
    run('cp', '--from-plain-http', '--to-plain-http', '--recursive', target, `${host}/copies/tiny:2.0`);
    expect(run('discover', '--plain-http', `${host}/copies/tiny:2.0`)).toContain('application/vnd.example.note');
    const store = new PackageStore(memoryFiles());
    const remote = await openRemote(`oci://${host}/copies/tiny:2.0`);
    expect(await pull(store, remote, { trust: { publicKey } })).toMatchObject({ version: '1', changed: true });
    expect(Buffer.compare(await baseOf(store), model)).toBe(0);
  });

  it('that asks for a token gets one, with the user and the password', async () => {
    const asked: (string | undefined)[] = [];
    const tokens = createServer((request, response) => {
      asked.push(request.headers.authorization);
      response.end(JSON.stringify({ token: 'abc' }));
    });
    await new Promise<void>((resolve) => tokens.listen(0, '127.0.0.1', resolve));
    const realm = `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`;
    // the registry's own test mode: any Authorization header will do
    const host = await start(`auth:\n  silly:\n    realm: ${realm}\n    service: registry\n`);
    const target = `oci://${host}/models/tiny:1.0`;
    const options = { user: 'me', password: 'secret' };
    await pushPackage(await openRemote(at('site')), await openOci(target, options));
    expect(asked[0]).toBe(`Basic ${btoa('me:secret')}`);
    const files = await importFiles(await openOci(target, options), await folderPublication(at('with-token')));
    expect(files).toHaveLength(5);
    tokens.close();
  });
});
