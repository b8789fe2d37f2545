/** Every parser of packages, on 20,000 corrupted files each: manifests, publications, updates, signatures, artifacts. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Random } from '../../src/core/random.ts';
import { seededRandom } from '../../src/core/random.ts';
import { generationOf, readManifest } from '../../src/formats/packages/manifest.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { applyBytePatch, encodeBytePatch } from '../../src/package/delta/bytePatch.ts';
import { deflate } from '../../src/package/delta/deflate.ts';
import { publish, readPublicKey } from '../../src/package/index.ts';
import { makeArtifact, readArtifact } from '../../src/package/oci/modelPack.ts';
import { verifyBundle } from '../../src/package/trust/oms/bundle.ts';
import { type RoleType, readMetadata } from '../../src/package/trust/tuf/metadata.ts';
import { readLatest } from '../../src/package/update/published.ts';
import { indexBytes, readUpdateIndex } from '../../src/package/update/updateFile.ts';
import { memoryPublication } from '../memoryPublication.ts';
import { drawBytes, drawJson } from './draw.ts';
import { fuzz } from './fuzz.ts';

const MB = 1 << 20;
const sizeOf = (file: Uint8Array) => file.length;
const utf8 = (text: string) => new TextEncoder().encode(text);
const published = new Map<string, Uint8Array>();
const golden = JSON.parse(gunzipSync(readFileSync(new URL('../trust/trust.golden.gz', import.meta.url))).toString());

const fileAt = (prefix: string) => [...published].filter(([path]) => path.startsWith(prefix)).map(([, bytes]) => bytes);
const jsonAt = (prefix: string) => fileAt(prefix).map((bytes) => JSON.parse(new TextDecoder().decode(bytes)));

beforeAll(async () => {
  for (const version of ['1', '2']) {
    const source = memorySource(utf8(`a template of version ${version}, long enough for a patch`));
    const components = [{ role: 'template', fileName: 't.jinja', source, checks: [{ prompt: 'a', includes: 'b' }] }];
    await publish(memoryPublication(published), components, { name: 'tiny', version });
  }
});

it('manifests', async () => {
  const parse = (file: Uint8Array) => readManifest(file, 'm.json');
  await fuzz(11_000_000, { draw: drawJson(jsonAt('manifests/')), sizeOf, parse, slack: MB });
});

it('latest.json', async () => {
  const parse = (file: Uint8Array) => readLatest(file, 'latest.json');
  await fuzz(12_000_000, { draw: drawJson(jsonAt('latest.json')), sizeOf, parse, slack: MB });
});

it('indices of updates', async () => {
  const [update] = fileAt('updates/') as [Uint8Array];
  const index = update.subarray(4, 4 + indexBytes(update));
  const bomb = await deflate([new Uint8Array(40 * MB)]);
  await expect(readUpdateIndex(bomb, 'u')).rejects.toMatchObject({ code: 'BAD_UPDATE' });
  const parse = (file: Uint8Array) => readUpdateIndex(file, 'u');
  await fuzz(13_000_000, { draw: drawBytes([index]), sizeOf, parse, slack: 2 * MB });
});

it('byte patches', async () => {
  const random = seededRandom(3);
  const old = Uint8Array.from({ length: 3000 }, () => random.integer(256));
  const changed = Uint8Array.of(...old.subarray(0, 900), 1, 2, 3, ...old.subarray(1000));
  const patch = await encodeBytePatch(old, changed);
  const parse = (file: Uint8Array) => applyBytePatch(old, file, changed.length);
  await fuzz(14_000_000, { draw: drawBytes([patch]), sizeOf, parse, slack: 2 * MB });
});

it('bundles of signatures', async () => {
  const { bundle, publicKey } = golden.oms.find(({ name }: { name: string }) => name === 'as signed');
  const key = await readPublicKey(publicKey, 'key');
  const parse = (file: Uint8Array) => verifyBundle(file, key, 'model.sig');
  const draws = [drawJson([JSON.parse(bundle)]), drawBytes([utf8(bundle)])] as const;
  const draw = (random: Random, index: number) => (index % 2 === 0 ? draws[0](random, index >> 1) : draws[1](random));
  await fuzz(15_000_000, { draw, sizeOf, parse, slack: 2 * MB });
});

it('metadata of TUF', async () => {
  const { files } = golden.tuf.find(({ name }: { name: string }) => name === 'delegated files').steps[0];
  const texts: string[] = Object.values(files);
  const parse = (file: Uint8Array) => {
    for (const type of ['root', 'timestamp', 'snapshot', 'targets'] as RoleType[])
      if (new TextDecoder().decode(file).includes(`"${type}"`)) return readMetadata(type, file, `${type}.json`);
    return readMetadata('targets', file, 'x.json');
  };
  await fuzz(16_000_000, { draw: drawJson(texts.map((text) => JSON.parse(text))), sizeOf, parse, slack: MB });
});

it('artifacts of registries', async () => {
  const [bytes] = fileAt('manifests/') as [Uint8Array];
  const value = readManifest(bytes, 'm');
  const layer = { path: 't.jinja', sha256: generationOf(value), bytes: 3, mediaType: 'application/x.raw' };
  const { manifest } = makeArtifact(value, [layer]);
  const parse = (file: Uint8Array) => readArtifact(file, 'oci');
  await fuzz(17_000_000, {
    draw: drawJson([JSON.parse(new TextDecoder().decode(manifest))]),
    sizeOf,
    parse,
    slack: MB,
  });
});

describe('files with millions of entries are refused by name, in bounded time and memory', () => {
  const head = `"file":{"bytes":0,"name":"x","sha256":"${'a'.repeat(64)}"},"role":"base"`;
  const manifestOf = (components: string) =>
    utf8(`{"components":[${components}],"format":"espalier-package/1","name":"x","version":"1"}`);
  const repeated = (text: string, count: number) => Array(count).fill(text).join(',');

  it.each([
    ['components', () => repeated(`{${head},"sections":[]}`, 300_000), 'components: expected a list of 1 to 10000'],
    ['objects', () => repeated('{}', 12e6), 'objects and lists, expected at most'],
    ['wrong pieces', () => `{${head},"sections":[{"name":"x","pieces":[${repeated('{}', 3.9e6)}]}]}`, 'pieces.0.bytes'],
    ['wrong sections', () => `{${head},"sections":[${repeated('{}', 3.9e6)}]}`, 'sections.0.name'],
    ['devices', () => `{${head},"sections":[],"requires":{"devices":[${repeated('0', 12e6)}]}}`, 'requires.devices'],
  ])('a manifest of %s', (_, components, problem) => {
    const bytes = manifestOf(components());
    const started = performance.now();
    expect(() => readManifest(bytes, 'm.json')).toThrow(problem);
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  it('an index of an update', async () => {
    for (const entries of [repeated('[]', 10e6), repeated('[]', 999_999), repeated('0', 12e6)]) {
      const packed = await deflate([utf8(`{"manifest":[1,1],"deltas":[${entries}]}`)]);
      await expect(readUpdateIndex(packed, 'u')).rejects.toMatchObject({ code: 'BAD_UPDATE' });
    }
  });

  it('a bundle and metadata of signatures', async () => {
    const key = await readPublicKey(golden.oms[0].publicKey, 'key');
    const bundle = utf8(`{"dsseEnvelope":{"signatures":[${repeated('{}', 12e6)}]}}`);
    await expect(verifyBundle(bundle, key, 'model.sig')).rejects.toMatchObject({ code: 'BAD_BUNDLE' });
    const root = utf8(`{"signed":{},"signatures":[${repeated('{}', 1.5e6)}]}`);
    expect(() => readMetadata('root', root, 'root.json')).toThrow('is not JSON');
  });
});
