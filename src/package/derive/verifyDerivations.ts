/** Runs the recipes of a published package again, to check that they make what was published. */
import { hashOf } from '../../formats/packages/hash.ts';
import { MAX_MANIFEST_BYTES, type Manifest, piecesOf, readManifest } from '../../formats/packages/manifest.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import { remoteReader } from '../update/publish.ts';
import { LATEST, MAX_LATEST_BYTES, manifestFile, readLatest, updateFile } from '../update/published.ts';
import { type Remote, readSmall } from '../update/remote.ts';
import { indexBytes, readUpdateIndex, type UpdateIndex } from '../update/updateFile.ts';
import { recipeOf, runRecipe } from './recipe.ts';

export interface VerifiedDerivation {
  /** Versions that the recipes lead from and to. */
  readonly from: string;
  readonly to: string;
  /** Pieces that were made again, and their bytes. */
  readonly pieces: number;
  readonly bytes: number;
}

/** @returns one entry for each update with recipes @throws {PackageError} BAD_DERIVATION naming the tensor */
export async function verifyDerivations(remote: Remote, signal?: AbortSignal): Promise<VerifiedDerivation[]> {
  const latest = readLatest(await readSmall(remote, LATEST, MAX_LATEST_BYTES, signal), `${remote.name}: ${LATEST}`);
  const manifest = await manifestOf(remote, latest.generation, signal);
  const found: VerifiedDerivation[] = [];
  for (const [from, headBytes] of Object.entries(latest.updates)) {
    const old = await manifestOf(remote, from, signal);
    const index = await indexOf(remote, updateFile(from, latest.generation), headBytes, signal);
    if (index.derived.length === 0) continue;
    const bytes = await verifyUpdate(remote, old, manifest, index, signal);
    found.push({ from: old.version, to: manifest.version, pieces: index.derived.length, bytes });
  }
  return found;
}

async function verifyUpdate(
  remote: Remote,
  old: Manifest,
  manifest: Manifest,
  { derived }: UpdateIndex,
  signal?: AbortSignal,
): Promise<number> {
  const [before, after] = [[...piecesOf(old)], [...piecesOf(manifest)]];
  let bytes = 0;
  for (const listed of derived) {
    signal?.throwIfAborted();
    const found = recipeOf(listed, before, after);
    const name = after[listed[0]]?.section.name ?? `piece ${listed[0]}`;
    const fail = (problem: string): never => {
      throw new PackageError('BAD_DERIVATION', `${remote.name}: ${name} of ${old.version}: ${problem}`, {
        tensor: name,
      });
    };
    if (!found) return fail('the recipe does not fit its tensors');
    const { placed, recipe } = found;
    const made = await runRecipe(recipe, placed, (from) => remoteReader(remote, from));
    const hash = hashOf(made);
    if (hash !== placed.piece.sha256) fail(`the recipe makes the SHA-256 ${hash}, published is ${placed.piece.sha256}`);
    bytes += made.length;
  }
  return bytes;
}

async function manifestOf(remote: Remote, generation: string, signal?: AbortSignal): Promise<Manifest> {
  const path = manifestFile(generation);
  return readManifest(await readSmall(remote, path, MAX_MANIFEST_BYTES, signal), `${remote.name}: ${path}`, generation);
}

async function indexOf(remote: Remote, path: string, headBytes: number, signal?: AbortSignal): Promise<UpdateIndex> {
  const where = `${remote.name}: ${path}`;
  const run = headBytes <= MAX_MANIFEST_BYTES ? await remote.open(path, 0, headBytes, signal) : undefined;
  if (!run) throw new PackageError('BAD_UPDATE', `${where} is missing or too large`, { where });
  const head = new Uint8Array(Math.min(headBytes, run.size));
  await run.read(head).finally(() => run.close());
  const packed = head.length >= 4 ? indexBytes(head) : 0;
  return readUpdateIndex(head.subarray(4, 4 + packed), where);
}
