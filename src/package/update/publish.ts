/** Publishes files as a version of a package: writes a static folder for any file server, with updates from earlier versions. */
import { sha256 } from '#leaf/formats/download/sha256';
import type { OnProgress } from '../../core/progress.ts';
import type { ByteSource } from '../../formats/byteSource.ts';
import { readGguf } from '../../formats/gguf/read.ts';
import { hashOf } from '../../formats/packages/hash.ts';
import {
  type Component,
  generationOf,
  type Manifest,
  manifestBytes,
  type PlacedPiece,
  piecesOf,
  readManifest,
} from '../../formats/packages/manifest.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import { formatByName } from '../../tensor/formats.ts';
import { encodeBytePatch } from '../delta/bytePatch.ts';
import { DeltaCoder } from '../delta/delta.ts';
import { factorsOf, recipeOf, runRecipe } from '../derive/recipe.ts';
import { type ReadPiece, readSection } from '../derive/section.ts';
import { haveSlices, sliceBytes } from '../derive/sliceSection.ts';
import { slice } from '../slice.ts';
import {
  componentFile,
  LATEST,
  type Latest,
  MAX_LATEST_BYTES,
  manifestFile,
  readLatest,
  updateFile,
} from './published.ts';
import { manifestOf } from './readPublished.ts';
import { type Remote, readIfThere } from './remote.ts';
import { type UpdateIndex, writeUpdate } from './updateFile.ts';

/** A readable and writable folder for publishing. */
export interface Publication extends Remote {
  /** Writes a file atomically: it becomes visible when it is complete. */
  write(path: string, parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>;
}

export interface ComponentToPack {
  readonly role: Component['role'];
  /** File name in the package. */
  readonly fileName: string;
  readonly source: ByteSource;
  readonly requires?: Component['requires'];
  /** Tests that the component must pass on the device. */
  readonly checks?: Component['checks'];
}

export interface PublishOptions {
  readonly name: string;
  readonly version: string;
  readonly created?: string;
  readonly requires?: Manifest['requires'];
  /** Number of earlier versions that get an update file. Default 3. */
  readonly updatesFrom?: number;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface Published {
  readonly manifest: Manifest;
  readonly generation: string;
  /** Bytes of the update from each older generation. */
  readonly updates: ReadonlyMap<string, number>;
}

const COPY_BYTES = 1024 * 1024;

/** @throws {PackageError} BAD_MANIFEST for invalid names; {SourceError}; the signal's reason */
export async function publish(
  target: Publication,
  components: readonly ComponentToPack[],
  options: PublishOptions,
): Promise<Published> {
  const { name, version, created, requires, updatesFrom = 3, onProgress, signal } = options;
  const packed: Component[] = [];
  for (const { role, fileName, source, requires, checks } of components) {
    const { bytes, sha256, sections } = await slice(source, { onProgress, signal });
    const more = { ...(requires && { requires }), ...(checks && { checks }) };
    packed.push({ role, file: { name: fileName, bytes, sha256 }, ...more, sections });
  }
  const value: Manifest = {
    format: 'espalier-package/1',
    name,
    version,
    ...(created !== undefined && { created }),
    ...(requires && { requires }),
    components: packed,
  };
  const generation = generationOf(value);
  const bytes = manifestBytes(value);
  // read back before publishing
  const manifest = readManifest(bytes, `the manifest of ${name}`, generation);
  for (const [i, { source }] of components.entries())
    await target.write(componentFile(packed[i].file.sha256), copied(source, packed[i].file.sha256, signal));
  await target.write(manifestFile(generation), [bytes]);
  const updates: Record<string, number> = {};
  const sizes = new Map<string, number>();
  const published = await findLatest(target);
  for (const old of await earlier(target, published, generation, updatesFrom)) {
    const from = generationOf(old);
    const { head, parts } = await makeUpdate(target, old, manifest, options);
    await target.write(updateFile(from, generation), parts);
    updates[from] = head;
    sizes.set(
      from,
      parts.reduce((sum, { length }) => sum + length, 0),
    );
  }
  const trust = published?.trust;
  const latest: Latest = {
    format: 'espalier-published/1',
    name,
    version,
    generation,
    updates,
    ...(trust && { trust }),
  };
  await target.write(LATEST, [new TextEncoder().encode(JSON.stringify(latest))]);
  return { manifest, generation, updates: sizes };
}

/** @throws {PackageError} BAD_PIECE if the file was changed since it was cut into pieces */
async function* copied(source: ByteSource, expected: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const hash = sha256();
  for (let at = 0; at < source.size; at += COPY_BYTES) {
    const part = new Uint8Array(Math.min(COPY_BYTES, source.size - at));
    await source.read(at, part.length, part, signal);
    hash.update(part);
    yield part;
  }
  const found = hash.hex();
  if (found === expected) return;
  throw new PackageError('BAD_PIECE', `${source.name}: changed while it was published`, { found, expected });
}

/** Returns undefined if nothing is published yet. */
async function findLatest(target: Remote): Promise<Latest | undefined> {
  const bytes = await readIfThere(target, LATEST, MAX_LATEST_BYTES);
  return bytes && readLatest(bytes, `${target.name}: ${LATEST}`);
}

/** Returns the newest published generation and those with updates to it, newest first. */
async function earlier(target: Remote, latest: Latest | undefined, except: string, most: number): Promise<Manifest[]> {
  if (!latest) return [];
  const { generation, updates } = latest;
  const found: Manifest[] = [];
  for (const old of [generation, ...Object.keys(updates)].filter((old) => old !== except).slice(0, most))
    found.push(await manifestOf(target, old));
  return found;
}

async function makeUpdate(target: Remote, old: Manifest, value: Manifest, options: PublishOptions) {
  const coder = await DeltaCoder.create();
  const oldPieces = [...piecesOf(old)];
  const here = new Set(oldPieces.map(({ piece }) => piece.sha256));
  const places = byPlace(oldPieces);
  const deltas: UpdateIndex['deltas'] = [];
  const derived: UpdateIndex['derived'] = [];
  const bodies: Uint8Array[] = [];
  const factors = await adaptersOf(target, old);
  const newPieces = [...piecesOf(value)];
  for (const [to, placed] of newPieces.entries()) {
    options.signal?.throwIfAborted();
    options.onProgress?.({
      stage: 'compare',
      done: to,
      total: newPieces.length,
      unit: 'pieces',
      item: placed.section.name,
    });
    if (here.has(placed.piece.sha256)) continue;
    const source = places.sections.get(sectionOf(placed)) ?? places.sections.get(tensorOf(placed));
    const recipe = source === undefined ? undefined : await findRecipe(target, to, source, oldPieces, placed, factors);
    if (recipe) {
      here.add(placed.piece.sha256);
      derived.push(recipe);
      continue;
    }
    const base = places.pieces.get(placeOf(placed)) ?? places.pieces.get(tensorOf(placed, placed.index));
    const before = base === undefined ? undefined : oldPieces[base];
    const after = await pieceOf(target, placed);
    const { type } = placed.section;
    const format = type === undefined ? undefined : formatByName(type);
    const delta = before
      ? await coder.encode(await pieceOf(target, before), after, type === before.section.type ? format : undefined)
      : undefined;
    // random weights have little to gain from a version that is not related
    const alone = delta && delta.length < 0.9 * after.length ? undefined : await coder.compress(after, format);
    const least = alone && alone.length < (delta?.length ?? after.length) ? alone : delta;
    if (!least) continue;
    here.add(placed.piece.sha256);
    deltas.push([to, least === alone ? null : base!, least.length]);
    bodies.push(least);
  }
  const bytes = manifestBytes(value);
  const patch = await encodeBytePatch(manifestBytes(old), bytes);
  const parts = await writeUpdate({ manifest: [bytes.length, patch.length], deltas, derived }, patch, bodies);
  return { head: parts[0].length + parts[1].length + patch.length, parts };
}

/** A recipe that makes exactly the new piece from the old tensor. */
async function findRecipe(
  target: Remote,
  to: number,
  source: number,
  oldPieces: readonly PlacedPiece[],
  placed: PlacedPiece,
  factors: ReadonlyMap<string, readonly Factor[]>,
): Promise<UpdateIndex['derived'][number] | undefined> {
  const adapters = factors.get(placed.section.name) ?? [];
  const candidates: UpdateIndex['derived'] = [
    [to, source],
    ...adapters.map(({ a, b, scale }): UpdateIndex['derived'][number] => [to, source, a, b, scale]),
  ];
  const slices = await findSlices(target, oldPieces[source], placed);
  if (slices) candidates.push([to, source, slices]);
  for (const listed of candidates) {
    const found = recipeOf(listed, oldPieces, { [to]: placed } as unknown as PlacedPiece[]);
    if (!found) continue;
    const made = await runRecipe(found.recipe, placed, (from) => remoteReader(target, from));
    if (hashOf(made) === placed.piece.sha256) return listed;
  }
  return undefined;
}

/** Numbers of the old tensor's slices that the new tensor has; undefined if it has others, or the tensors have no slices. */
async function findSlices(target: Remote, before: PlacedPiece, after: PlacedPiece): Promise<number[] | undefined> {
  if (!haveSlices(before.section, after.section)) return undefined;
  const hashes = async (placed: PlacedPiece): Promise<string[]> => {
    const read = remoteReader(target, placed);
    const slice = new Uint8Array(sliceBytes(placed.section));
    const found: string[] = [];
    for (let i = 0; i < placed.section.shape![0]; i++) {
      await readSection(placed.section, i * slice.length, slice, read);
      found.push(hashOf(slice));
    }
    return found;
  };
  const numbers = new Map((await hashes(before)).map((hash, i) => [hash, i]));
  const found = (await hashes(after)).map((hash) => numbers.get(hash));
  return found.every((number) => number !== undefined) ? found : undefined;
}

interface Factor {
  readonly a: number;
  readonly b: number;
  readonly scale: number;
}

/** Factors of the adapters of a published version, by the name of their matrix. */
async function adaptersOf(target: Remote, manifest: Manifest): Promise<Map<string, Factor[]>> {
  const scales = new Map<string, number>();
  const found = new Map<string, Factor[]>();
  for (const [matrix, pairs] of factorsOf(manifest))
    for (const { role, a, b, rank } of pairs) {
      let alpha = scales.get(role);
      if (alpha === undefined) {
        alpha = await alphaOf(target, manifest.components.find((component) => component.role === role)!);
        scales.set(role, alpha);
      }
      if (Number.isFinite(alpha)) found.set(matrix, [...(found.get(matrix) ?? []), { a, b, scale: alpha / rank }]);
    }
  return found;
}

/** Not a number if the component is no adapter. */
async function alphaOf(target: Remote, { file }: Component): Promise<number> {
  const source: ByteSource = {
    name: file.name,
    size: file.bytes,
    async read(offset, length, into) {
      const run = await target.open(componentFile(file.sha256), offset, length);
      await run!.read(into.subarray(0, length)).finally(() => run!.close());
    },
    async close() {},
  };
  const { metadata } = await readGguf(source).catch((): { metadata: ReadonlyMap<string, unknown> } => ({
    metadata: new Map(),
  }));
  return Number(metadata.get('adapter.lora.alpha'));
}

/** Reads pieces of the section that `placed` is in from a published file. */
export function remoteReader(target: Remote, placed: PlacedPiece): ReadPiece {
  const { component, section, index, offset } = placed;
  const before = section.pieces.slice(0, index).reduce((sum, { bytes }) => sum + bytes, 0);
  return async (piece, from, into) => {
    const at = section.pieces.slice(0, section.pieces.indexOf(piece)).reduce((sum, { bytes }) => sum + bytes, 0);
    const path = componentFile(component.file.sha256);
    const run = await target.open(path, offset - before + at + from, into.length);
    if (!run) throw new PackageError('BAD_PUBLICATION', `${target.name}: ${path} is missing`, { path });
    await run.read(into).finally(() => run.close());
  };
}

/** Numbers of pieces and of any piece of a section, by where they are, and of tensors by their name alone: they may have moved to another file. */
function byPlace(pieces: readonly PlacedPiece[]) {
  const sections = new Map<string, number>();
  const places = new Map<string, number>();
  for (const [i, placed] of pieces.entries()) {
    sections.set(sectionOf(placed), i);
    places.set(placeOf(placed), i);
    if (placed.section.type === undefined) continue;
    sections.set(tensorOf(placed), i);
    places.set(tensorOf(placed, placed.index), i);
  }
  return { sections, pieces: places };
}

function tensorOf({ section }: PlacedPiece, index?: number): string {
  return JSON.stringify([section.name, section.type === undefined ? 'bytes' : 'tensor', index]);
}

function sectionOf({ component, section }: PlacedPiece): string {
  return JSON.stringify([component.role, section.name]);
}

/** Pairs the pieces at the same position in two versions. */
function placeOf({ component, section, index }: PlacedPiece): string {
  return JSON.stringify([component.role, section.name, index]);
}

async function pieceOf(target: Remote, { component, offset, piece }: PlacedPiece): Promise<Uint8Array> {
  const run = (await target.open(componentFile(component.file.sha256), offset, piece.bytes))!;
  const bytes = new Uint8Array(piece.bytes);
  await run.read(bytes).finally(() => run.close());
  return bytes;
}
