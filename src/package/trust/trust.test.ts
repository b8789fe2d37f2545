import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { memoryPublication } from '../../../test/memoryPublication.ts';
import { memoryFiles } from '../../formats/packages/memoryFiles.ts';
import { PackageStore } from '../../formats/packages/packageStore.ts';
import { memorySource } from '../../formats/sources/memory.ts';
import { publish } from '../update/publish.ts';
import { pull } from '../update/pull.ts';
import { createKeyPair, type PrivateKey, readPrivateKey, readPublicKey } from './ecdsaKey.ts';
import { signModel, verifyBundle } from './oms/bundle.ts';
import { compareModel, describeModel } from './oms/modelFiles.ts';
import { renewPublication, rotateKeys, signPublication } from './signPublication.ts';
import { TrustError } from './trustError.ts';
import { ROLES, type SignOptions } from './tuf/repository.ts';
import { type TrustOptions, verifyPublication } from './verifyPublication.ts';

type Keys = Record<(typeof ROLES)[number], PrivateKey>;
type Files = Map<string, Uint8Array>;

async function newKey(curve?: string): Promise<PrivateKey> {
  return readPrivateKey((await createKeyPair(curve)).privateKey, 'key.pem');
}

async function newKeys(): Promise<Keys> {
  return Object.fromEntries(await Promise.all(ROLES.map(async (role) => [role, await newKey()]))) as Keys;
}

const START = new Date('2026-01-01T00:00:00Z');
const after = (days: number) => new Date(START.getTime() + days * 86_400_000);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

let keys: Keys;
beforeAll(async () => {
  keys = await newKeys();
});

async function publishVersion(files: Files, version: string, options?: Partial<SignOptions>): Promise<void> {
  const source = memorySource(new TextEncoder().encode(`{{ template of ${version} }}`));
  const target = memoryPublication(files);
  await publish(target, [{ role: 'template', fileName: 't.jinja', source }], { name: 'tiny', version });
  if (options) await signPublication(target, { keys, now: START, ...options });
}

function puller(files: Files, days = 1) {
  const store = new PackageStore(memoryFiles());
  const remote = memoryPublication(files);
  return async (trust: TrustOptions = {}, now = days) =>
    (await pull(store, remote, { trust: { now: () => after(now), ...trust } })).version;
}

describe('a signed package', () => {
  it('is verified by the root found at the first pull, by a pinned root and by a pinned key', async () => {
    const files: Files = new Map();
    await publishVersion(files, '1', {});
    expect(await puller(files)()).toBe('1');
    expect(await puller(files)({ root: files.get('trust/1.root.json')! })).toBe('1');
    expect(await puller(files)({ publicKey: keys.targets.publicKey.pem })).toBe('1');
    const verified = await verifyPublication(memoryPublication(files), {
      publicKey: keys.targets.publicKey.pem,
      now: () => after(1),
    });
    expect(verified).toMatchObject({ name: 'tiny', version: '1', by: ['tuf', 'signature'] });
  });

  it('is refused with another root, another key, or without signatures once it had some', async () => {
    const files: Files = new Map();
    await publishVersion(files, '1', {});
    const others: Files = new Map();
    await publishVersion(others, '1', { keys: await newKeys() });
    await expect(puller(files)({ root: others.get('trust/1.root.json')! })).rejects.toMatchObject({
      code: 'BAD_SIGNATURE',
    });
    await expect(puller(files)({ publicKey: keys.root.publicKey.pem })).rejects.toMatchObject({
      code: 'BAD_SIGNATURE',
    });

    const pullAgain = puller(files);
    expect(await pullAgain({ publicKey: keys.targets.publicKey.pem })).toBe('1');
    const unsigned: Files = new Map();
    await publishVersion(unsigned, '2');
    files.clear();
    for (const [path, bytes] of unsigned) files.set(path, bytes);
    await expect(pullAgain()).rejects.toMatchObject({ code: 'NOT_SIGNED' });
    await expect(verifyPublication(memoryPublication(files))).rejects.toMatchObject({ code: 'NOT_SIGNED' });
    // the key stays pinned where TUF is restored without the signature of the files
    await publishVersion(files, '3', {});
    for (const path of [...files.keys()]) if (path.startsWith('signatures/')) files.delete(path);
    await expect(puller(files)({ publicKey: keys.targets.publicKey.pem })).rejects.toMatchObject({
      code: 'NOT_SIGNED',
    });
  });

  it('stays at the signed version while the next is published but not signed', async () => {
    const files: Files = new Map();
    await publishVersion(files, '1', {});
    const pullAgain = puller(files);
    expect(await pullAgain()).toBe('1');
    await publishVersion(files, '2');
    expect(await pullAgain()).toBe('1');
    await signPublication(memoryPublication(files), { keys, now: START });
    expect(await pullAgain()).toBe('2');
  });

  it('is refused when it is rolled back, mixed, expired, or the clock was set back', async () => {
    const files: Files = new Map();
    await publishVersion(files, '1', {});
    const old = new Map(files);
    const pullAgain = puller(files);
    expect(await pullAgain()).toBe('1');
    await publishVersion(files, '2', {});
    const current = new Map(files);
    expect(await pullAgain()).toBe('2');
    const serve = (served: Files, change: Record<string, Uint8Array> = {}) => {
      files.clear();
      for (const [path, bytes] of [...served, ...Object.entries(change)]) files.set(path, bytes);
    };
    serve(old);
    await expect(pullAgain()).rejects.toMatchObject({ code: 'ROLLBACK' });
    serve(current, { 'trust/2.snapshot.json': old.get('trust/1.snapshot.json')! });
    expect(await pullAgain()).toBe('2'); // the snapshot is kept here
    await expect(puller(files)()).rejects.toMatchObject({ code: 'MIX_AND_MATCH' });
    serve(current, { 'latest.json': old.get('latest.json')! });
    expect(await puller(files)()).toBe('2'); // by the copy under its hash
    for (const path of [...files.keys()]) if (path.startsWith('trust/targets/')) files.delete(path);
    await expect(puller(files)()).rejects.toMatchObject({ code: 'MIX_AND_MATCH' });
    serve(current);
    await expect(pullAgain({}, 15)).rejects.toMatchObject({ code: 'EXPIRED' });
    await renewPublication(memoryPublication(files), { keys: { timestamp: keys.timestamp }, now: after(14) });
    expect(await pullAgain({}, 15)).toBe('2');
    await renewPublication(memoryPublication(files), { keys: { timestamp: keys.timestamp }, now: START });
    await expect(pullAgain({}, 1)).rejects.toMatchObject({ code: 'CLOCK_SET_BACK' });
  });

  it('follows new keys of every role from the first root on', async () => {
    const files: Files = new Map();
    await publishVersion(files, '1', {});
    const pinned = { root: files.get('trust/1.root.json')! };
    const pullAgain = puller(files);
    expect(await pullAgain(pinned)).toBe('1');
    let now = { ...keys };
    for (const role of ROLES) {
      const before = now.root;
      now = { ...now, [role]: await newKey(role === 'snapshot' ? 'P-384' : 'P-256') };
      await rotateKeys(memoryPublication(files), { keys: now, now: START }, role === 'root' ? before : undefined);
      expect(await pullAgain(pinned)).toBe('1');
    }
    await expect(publishVersion(files, '2', { keys })).rejects.toMatchObject({ code: 'BAD_KEY' });
    await publishVersion(files, '2', { keys: now });
    expect(await pullAgain(pinned)).toBe('2');
    expect(await puller(files)(pinned)).toBe('2');
  });

  it('may go back to a kept generation by hand', async () => {
    const files: Files = new Map();
    const store = new PackageStore(memoryFiles());
    const trust = { now: () => after(1) };
    for (const version of ['1', '2']) {
      await publishVersion(files, version, {});
      await pull(store, memoryPublication(files), { trust });
    }
    const { generation } = await store.rollback('tiny');
    expect((await store.manifest(generation)).version).toBe('1');
    expect((await pull(store, memoryPublication(files), { trust })).version).toBe('2');
  });

  it('is refused, or installed as it was signed, with any byte of any signed file flipped', async () => {
    const files: Files = new Map();
    await publishVersion(files, '1', {});
    const { generation } = JSON.parse(text(files.get('latest.json')!));
    let refused = 0;
    for (const path of [...files.keys()]) {
      const sound = files.get(path)!;
      for (let i = 0; i < sound.length; i += 7) {
        const damaged = sound.slice();
        damaged[i] ^= 1 << (i % 8);
        files.set(path, damaged);
        const store = new PackageStore(memoryFiles());
        const options = { trust: { now: () => after(1), publicKey: keys.targets.publicKey.pem } };
        try {
          const result = await pull(store, memoryPublication(files), options);
          expect(result.generation).toBe(generation);
        } catch (error) {
          expect((error as Error).name).toMatch(/^(TrustError|PackageError)$/);
          expect(await store.current('tiny')).toBeUndefined();
          refused++;
        }
      }
      files.set(path, sound);
    }
    expect(refused).toBeGreaterThan(100);
  });
});

describe('keys', () => {
  it('sign and verify on every curve, also in the form that OpenSSL writes', async () => {
    for (const curve of ['P-256', 'P-384', 'P-521']) {
      const key = await newKey(curve);
      const data = new TextEncoder().encode('model');
      for (let i = 0; i < 20; i++) expect(await key.publicKey.verify(data, await key.sign(data))).toBe(true);
      expect(await key.publicKey.verify(new TextEncoder().encode('Model'), await key.sign(data))).toBe(false);
      const der = await key.sign(data);
      for (const damaged of [der.subarray(1), der.subarray(0, -1), Uint8Array.of(...der, 0), new Uint8Array(0)])
        expect(await key.publicKey.verify(data, damaged)).toBe(false);
    }
    // what `openssl ecparam -genkey` writes
    const { privateKey, publicKey } = generateKeyPairSync('ec', {
      namedCurve: 'prime256v1',
      privateKeyEncoding: { type: 'sec1', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const key = await readPrivateKey(
      `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${privateKey}`,
      'k',
    );
    expect(key.publicKey.pem).toBe(publicKey);
  });

  it('are refused by name', async () => {
    const { publicKey, privateKey } = await createKeyPair();
    await expect(readPrivateKey(publicKey, 'k.pem')).rejects.toThrow('k.pem: has a PUBLIC KEY, expected a PRIVATE KEY');
    await expect(readPublicKey(privateKey, 'k.pub')).rejects.toThrow('expected a PUBLIC KEY');
    await expect(readPublicKey('hello', 'k.pub')).rejects.toThrow('is not a key in PEM form');
    const encrypted = privateKey.replaceAll('PRIVATE', 'ENCRYPTED PRIVATE');
    await expect(readPrivateKey(encrypted, 'k.pem')).rejects.toThrow('openssl pkey');
    const damaged = publicKey.replace(/\n.{10}/, '\nAAAAAAAAAA');
    await expect(readPublicKey(damaged, 'k.pub')).rejects.toMatchObject({ code: 'BAD_KEY' });
  });
});

it('signs model files, and names what was changed', async () => {
  const key = await newKey();
  const file = (name: string, content: string) => ({ name, source: memorySource(new TextEncoder().encode(content)) });
  const model = [file('model.gguf', 'weights'), file('config.json', '{}'), file('.git/config', 'x')];
  const bundle = await signModel(await describeModel('model', model), key);
  const signed = await verifyBundle(bundle, key.publicKey, 'model.sig');
  expect(signed.resources.map(({ name }) => name)).toEqual(['config.json', 'model.gguf']);
  await compareModel(signed, model, 'model');
  const other = [file('model.gguf', 'weight'), file('extra', '')];
  const error = await compareModel(signed, other, 'model').catch((error) => error);
  expect(error).toBeInstanceOf(TrustError);
  expect(error.data).toEqual({ missing: ['config.json'], changed: ['model.gguf'], unsigned: ['extra'] });
  await expect(describeModel('model', [])).rejects.toThrow('no file to sign');
});
