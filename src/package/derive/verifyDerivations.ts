/** Runs the recipes of a published package again, to check that they make what was published. */
import { hashOf } from '../../formats/packages/hash.ts';
import { type Manifest, type PlacedPiece, piecesOf } from '../../formats/packages/manifest.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import { compareDerivation } from '../trust/derivation.ts';
import { type PublicKey, readPublicKey } from '../trust/ecdsaKey.ts';
import { MAX_BUNDLE_BYTES, verifyStatement } from '../trust/statementBundle.ts';
import { TrustError } from '../trust/trustError.ts';
import { type TrustOptions, trustedPublication } from '../trust/verifyPublication.ts';
import { remoteReader } from '../update/publish.ts';
import { derivationFile } from '../update/published.ts';
import { latestOf, manifestOf, type PublishedUpdate, updatesTo } from '../update/readPublished.ts';
import { type Remote, readIfThere } from '../update/remote.ts';
import { recipeOf, runRecipe } from './recipe.ts';
import type { ReadPiece } from './section.ts';

export interface VerifiedDerivation {
  /** Versions that the recipes lead from and to. */
  readonly from: string;
  readonly to: string;
  /** Pieces that were made again, and their bytes. */
  readonly pieces: number;
  readonly bytes: number;
  /** True if the pinned key signed a statement of these recipes. */
  readonly signed: boolean;
}

/**
 * @param trust pins: with any of them, or if the package says that it is signed, its signatures are verified; with `publicKey` those of the
 *   recipes, too
 * @returns one entry for each update with recipes
 * @throws {PackageError} BAD_DERIVATION naming the tensor; {TrustError} NOT_SIGNED, BAD_SIGNATURE, … with pins
 */
export async function verifyDerivations(
  remote: Remote,
  trust: TrustOptions = {},
  signal?: AbortSignal,
): Promise<VerifiedDerivation[]> {
  const found = await latestOf(remote, signal);
  const isSigned = trust.root !== undefined || trust.publicKey !== undefined || found.trust !== undefined;
  const latest = isSigned ? (await trustedPublication(remote, trust, signal)).latest : found;
  const key = trust.publicKey === undefined ? undefined : await readPublicKey(trust.publicKey, 'the public key');
  const manifest = await manifestOf(remote, latest.generation, signal);
  const verified: VerifiedDerivation[] = [];
  for await (const update of updatesTo(remote, latest, signal)) {
    if (update.index.derived.length === 0) continue;
    if (key) await verifySigned(remote, key, update, manifest, latest.generation, signal);
    const bytes = await runAgain(remote, update, manifest, signal);
    verified.push({
      from: update.old.version,
      to: manifest.version,
      pieces: update.index.derived.length,
      bytes,
      signed: key !== undefined,
    });
  }
  return verified;
}

async function verifySigned(
  remote: Remote,
  key: PublicKey,
  { from, old, index }: PublishedUpdate,
  manifest: Manifest,
  generation: string,
  signal?: AbortSignal,
): Promise<void> {
  const path = derivationFile(from, generation);
  const where = `${remote.name}: ${path}`;
  const bundle = await readIfThere(remote, path, MAX_BUNDLE_BYTES, signal);
  if (!bundle)
    throw new TrustError('NOT_SIGNED', `${where} is missing: the recipes from ${old.version} are not signed`, {
      where,
    });
  compareDerivation(await verifyStatement(bundle, key, where), old, manifest, index.derived, where);
}

async function runAgain(
  remote: Remote,
  { old, index: { derived } }: PublishedUpdate,
  manifest: Manifest,
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
    const made = await runRecipe(recipe, placed, (from) => verifiedReader(remote, from));
    const hash = hashOf(made);
    if (hash !== placed.piece.sha256) fail(`the recipe makes the SHA-256 ${hash}, published is ${placed.piece.sha256}`);
    bytes += made.length;
  }
  return bytes;
}

/** Reads the old version and verifies it: the result of a recipe says nothing of weights that make no difference to it. */
function verifiedReader(remote: Remote, from: PlacedPiece): ReadPiece {
  const read = remoteReader(remote, from);
  let last: { readonly sha256: string; readonly bytes: Uint8Array } | undefined;
  return async (piece, offset, into) => {
    const { sha256, bytes: size } = piece;
    if (last?.sha256 !== sha256) {
      const bytes = new Uint8Array(size);
      await read(piece, 0, bytes);
      const hash = hashOf(bytes);
      if (hash !== sha256) {
        const problem = `has the SHA-256 ${hash}, expected ${sha256}: it is damaged or another tensor`;
        const tensor = from.section.name;
        throw new PackageError('BAD_DERIVATION', `${remote.name}: ${tensor}, which a recipe reads, ${problem}`, {
          tensor,
        });
      }
      last = { sha256, bytes };
    }
    into.set(last.bytes.subarray(offset, offset + into.length));
  };
}
