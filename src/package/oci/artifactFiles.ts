/** Moves packages to OCI registries and layouts, and opens them there. */

import { sha256 } from '#leaf/formats/download/sha256';
import type { OnProgress } from '../../core/progress.ts';
import { hashOf } from '../../formats/packages/hash.ts';
import { MAX_MANIFEST_BYTES, manifestBytes, readManifest } from '../../formats/packages/manifest.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import { MANIFEST_NAME } from '../trust/signedPackage.ts';
import { MAX_BUNDLE_BYTES } from '../trust/statementBundle.ts';
import type { Publication } from '../update/publish.ts';
import { componentFile, LATEST, type Latest, manifestFile, signatureFile } from '../update/published.ts';
import { latestOf, manifestOf } from '../update/readPublished.ts';
import { type Remote, type Run, readIfThere, readSmall } from '../update/remote.ts';
import { type LayerFile, layerTypeOf, makeArtifact, metadataLayer, readArtifact } from './modelPack.ts';
import type { OciStore } from './ociStore.ts';

const SIGNATURE_NAME = 'model.sig';
const READ_BYTES = 1024 * 1024;

export interface PushOptions {
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface Pushed {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the OCI manifest. */
  readonly digest: string;
  /** Bytes that the target did not have. */
  readonly sentBytes: number;
}

/** Copies the newest version of a published package to a registry or layout. Blobs that are there are not sent again. */
export async function pushPackage(from: Remote, to: OciStore, options: PushOptions = {}): Promise<Pushed> {
  const { onProgress, signal } = options;
  const { generation } = await latestOf(from, signal);
  const value = await manifestOf(from, generation, signal);
  const signature = await readIfThere(from, signatureFile(generation), MAX_BUNDLE_BYTES, signal);
  const small = new Map<string, Uint8Array>();
  const inMemory = (path: string, bytes: Uint8Array, mediaType: string): LayerFile => {
    small.set(hashOf(bytes), bytes);
    return { path, sha256: hashOf(bytes), bytes: bytes.length, mediaType };
  };
  const files: LayerFile[] = value.components.map(({ role, file }) => ({
    path: file.name,
    sha256: file.sha256,
    bytes: file.bytes,
    mediaType: layerTypeOf(role, file.name),
  }));
  files.push(inMemory(MANIFEST_NAME, manifestBytes(value), metadataLayer.manifest));
  if (signature) files.push(inMemory(SIGNATURE_NAME, signature, metadataLayer.signature));
  const { config, manifest } = makeArtifact(value, files);
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let [done, sentBytes] = [0, 0];
  for (const { sha256, bytes, path: item } of files) {
    signal?.throwIfAborted();
    if (!(await to.hasBlob(sha256))) {
      const parts = small.has(sha256) ? [small.get(sha256)!] : fileParts(from, sha256, bytes, signal);
      await to.putBlob(sha256, bytes, parts);
      sentBytes += bytes;
    }
    done += bytes;
    onProgress?.({ stage: 'push', done, total, unit: 'bytes', item });
  }
  if (!(await to.hasBlob(hashOf(config)))) await to.putBlob(hashOf(config), config.length, [config]);
  await to.putManifest(manifest);
  return { name: value.name, version: value.version, digest: hashOf(manifest), sentBytes };
}

async function* fileParts(from: Remote, hash: string, bytes: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const path = componentFile(hash);
  const run = await from.open(path, 0, bytes, signal);
  if (!run) throw new PackageError('BAD_PUBLICATION', `${from.name}: ${path} is missing`, { where: from.name, path });
  yield* verified(run, hash, bytes, `${from.name}: ${path}`);
}

/** Reads a whole file. @throws {PackageError} BAD_PIECE after the last part if the hash is another */
async function* verified(run: Run, hash: string, bytes: number, where: string): AsyncGenerator<Uint8Array> {
  const whole = sha256();
  try {
    for (let at = 0; at < bytes; ) {
      const part = new Uint8Array(Math.min(READ_BYTES, bytes - at));
      await run.read(part);
      whole.update(part);
      at += part.length;
      // the last part only if all are right
      if (at < bytes) yield part;
      else {
        const found = whole.hex();
        if (found !== hash) {
          const problem = `has the SHA-256 ${found}, expected ${hash}: it is damaged`;
          throw new PackageError('BAD_PIECE', `${where} ${problem}`, { found, expected: hash });
        }
        yield part;
      }
    }
  } finally {
    await run.close();
  }
}

/**
 * A package in a registry or layout, to be pulled like a published folder. It has no updates by deltas; pieces that the device has are not fetched.
 * @throws {PackageError} BAD_PUBLICATION if it is not there, or was not made by Espalier
 */
export async function ociRemote(store: OciStore): Promise<Remote> {
  const files = await filesOf(store);
  const own = files.find(({ path }) => path === MANIFEST_NAME);
  if (!own) {
    const advice = `get its files with 'espalier package import' and publish them with 'espalier package pack'`;
    throw new PackageError('BAD_PUBLICATION', `${store.name}: has no ${MANIFEST_NAME}; ${advice}`, {
      where: store.name,
    });
  }
  const blob = (sha256: string, signal?: AbortSignal) => blobBytes(store, sha256, MAX_MANIFEST_BYTES, signal);
  const { name, version } = readManifest(await blob(own.sha256), `${store.name}: ${MANIFEST_NAME}`, own.sha256);
  const latest: Latest = { format: 'espalier-published/1', name, version, generation: own.sha256, updates: {} };
  const signature = files.find(({ path }) => path === SIGNATURE_NAME);
  const blobs = new Map<string, string>([[manifestFile(own.sha256), own.sha256]]);
  if (signature) blobs.set(signatureFile(own.sha256), signature.sha256);
  for (const { sha256 } of files) blobs.set(componentFile(sha256), sha256);
  return {
    name: store.name,
    async open(path, offset, length, signal) {
      if (path === LATEST) return memoryRun(new TextEncoder().encode(JSON.stringify(latest)), offset);
      const sha256 = blobs.get(path);
      return sha256 === undefined ? undefined : store.openBlob(sha256, offset, length, signal);
    },
  };
}

/** Writes the files of any ModelPack artifact into a folder. @returns their paths */
export async function importFiles(from: OciStore, to: Publication, options: PushOptions = {}): Promise<string[]> {
  const { onProgress, signal } = options;
  const files = await filesOf(from);
  const packed = files.find(
    ({ mediaType }) => !mediaType.endsWith('.raw') && !/\.v1\.(gguf|safetensors)$/.test(mediaType),
  );
  if (packed) {
    const problem = `the layer ${packed.path} has the type ${packed.mediaType}; only unarchived layers can be imported`;
    throw new PackageError('BAD_PUBLICATION', `${from.name}: ${problem}`, { layer: packed.path });
  }
  for (const [i, { path, sha256, bytes }] of files.entries()) {
    const run = await from.openBlob(sha256, 0, bytes, signal);
    if (!run) throw new PackageError('BAD_PUBLICATION', `${from.name}: the blob of ${path} is missing`, { path });
    await to.write(path, verified(run, sha256, bytes, `${from.name}: ${path}`));
    onProgress?.({ stage: 'import', done: i + 1, total: files.length, unit: 'pieces', item: path });
  }
  return files.map(({ path }) => path);
}

async function filesOf(store: OciStore): Promise<LayerFile[]> {
  const manifest = await store.readManifest();
  if (manifest) return readArtifact(manifest, store.name);
  throw new PackageError('BAD_PUBLICATION', `${store.name}: there is no such artifact`, { where: store.name });
}

async function blobBytes(store: OciStore, sha256: string, most: number, signal?: AbortSignal): Promise<Uint8Array> {
  const remote: Remote = {
    name: store.name,
    open: (_, offset, length) => store.openBlob(sha256, offset, length, signal),
  };
  return readSmall(remote, `blob ${sha256}`, most, signal);
}

function memoryRun(bytes: Uint8Array, offset: number): Run {
  let at = offset;
  return {
    size: bytes.length,
    async read(into) {
      into.set(bytes.subarray(at, at + into.length));
      at += into.length;
    },
    async close() {},
  };
}
