/**
 * A statement of derivation: which tensors of a version were made of which tensors of an older one, and how. It is an in-toto statement
 * with the predicate of SLSA provenance v1 (https://slsa.dev/spec/v1.0/provenance): subjects are the new files, dependencies the old
 * ones, parameters the recipes. Whoever has both versions can run it again: `verifyDerivations`.
 */
import { z } from 'zod';
import { firstProblem, listOf, parseBoundedJson } from '../../formats/packages/boundedJson.ts';
import { canonicalJson, type Json } from '../../formats/packages/canonicalJson.ts';
import {
  type Component,
  generationOf,
  type Manifest,
  type PlacedPiece,
  piecesOf,
} from '../../formats/packages/manifest.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import { type ListedRecipe, type Recipe, recipeOf } from '../derive/recipe.ts';
import { ENGINE_VERSION } from '../update/requirements.ts';
import { MANIFEST_NAME } from './signedPackage.ts';
import { STATEMENT_TYPE } from './statementBundle.ts';
import { TrustError } from './trustError.ts';

const PREDICATE_TYPE = 'https://slsa.dev/provenance/v1';
/** Identifies the meaning of the parameters by a package URL. */
const BUILD_TYPE = 'pkg:npm/espalier#derivation/1';
const MAX_OBJECTS = 3_000_000;

const statement = z.looseObject({
  _type: z.literal(STATEMENT_TYPE),
  predicateType: z.literal(PREDICATE_TYPE),
  subject: listOf(1, MAX_OBJECTS),
  predicate: z.looseObject({
    buildDefinition: z.looseObject({
      buildType: z.literal(BUILD_TYPE),
      externalParameters: z.looseObject({ recipes: listOf(1, MAX_OBJECTS) }),
      resolvedDependencies: listOf(1, MAX_OBJECTS),
    }),
  }),
});

/** The contents of a statement, except its author. */
interface Derivation {
  readonly subject: readonly Json[];
  readonly recipes: readonly Json[];
  readonly resolvedDependencies: readonly Json[];
}

/** @param derived recipes of the update from the old version to the new one @returns the statement as JSON */
export function derivationBytes(old: Manifest, value: Manifest, derived: readonly ListedRecipe[]): Uint8Array {
  const { subject, recipes, resolvedDependencies } = describe(old, value, derived);
  const text = canonicalJson({
    _type: STATEMENT_TYPE,
    subject,
    predicateType: PREDICATE_TYPE,
    predicate: {
      buildDefinition: { buildType: BUILD_TYPE, externalParameters: { recipes }, resolvedDependencies },
      runDetails: { builder: { id: `pkg:npm/espalier@${ENGINE_VERSION}` } },
    },
  });
  return new TextEncoder().encode(text);
}

/**
 * Compares what a statement says with an update.
 * @param payload the statement as JSON @param where file name for errors
 * @throws {TrustError} BAD_BUNDLE naming the field; {PackageError} BAD_DERIVATION naming what differs
 */
export function compareDerivation(
  payload: Uint8Array,
  old: Manifest,
  value: Manifest,
  derived: readonly ListedRecipe[],
  where: string,
): void {
  const found = read(payload, where);
  const expected = textsOf(describe(old, value, derived));
  for (const part of ['subject', 'resolvedDependencies', 'recipes'] as const) {
    const [theirs, ours] = [new Set(found[part]), new Set(expected[part])];
    const more = found[part].find((text) => !ours.has(text));
    const less = expected[part].find((text) => !theirs.has(text));
    if (more === undefined && less === undefined) continue;
    throw new PackageError(
      'BAD_DERIVATION',
      `${where}: the signed ${part} are not those of the update: signed is ${shown(more)}, the update has ${shown(less)}`,
      { where, part, signed: more, update: less },
    );
  }
}

/** Shortens a value for a message: recipes list the hashes of all their pieces. */
const shown = (text = 'nothing more'): string => (text.length > 200 ? `${text.slice(0, 200)} …` : text);

function read(payload: Uint8Array, where: string): Record<keyof Derivation, string[]> {
  const fail = (problem: string, cause?: unknown): never => {
    throw new TrustError('BAD_BUNDLE', `${where}: the signed statement ${problem}`, { where }, { cause });
  };
  let value: unknown;
  try {
    value = parseBoundedJson(payload, MAX_OBJECTS);
  } catch (error) {
    return fail(`cannot be read: ${(error as Error).message}`, error);
  }
  const problem = firstProblem(statement, value);
  if (problem) fail(`is no derivation: ${problem.field}: ${problem.message}`);
  const { subject, predicate } = value as z.infer<typeof statement>;
  const { externalParameters, resolvedDependencies } = predicate.buildDefinition;
  try {
    return textsOf({ subject, recipes: externalParameters.recipes, resolvedDependencies } as Derivation);
  } catch (error) {
    return fail(`has no canonical JSON: ${(error as Error).message}`, error);
  }
}

function textsOf({ subject, recipes, resolvedDependencies }: Derivation): Record<keyof Derivation, string[]> {
  return {
    subject: subject.map(canonicalJson),
    recipes: recipes.map(canonicalJson),
    resolvedDependencies: resolvedDependencies.map(canonicalJson),
  };
}

function describe(old: Manifest, value: Manifest, derived: readonly ListedRecipe[]): Derivation {
  const [before, after] = [[...piecesOf(old)], [...piecesOf(value)]];
  const made = new Map<string, { readonly recipe: Json; readonly sha256: string[] }>();
  const [sources, results] = [new Set<Component>(), new Set<Component>()];
  for (const listed of derived) {
    const found = recipeOf(listed, before, after);
    if (!found) {
      const versions = `the update of ${value.name} from ${old.version} to ${value.version}`;
      throw new PackageError('BAD_DERIVATION', `${versions}: a recipe does not fit its tensors`, { listed });
    }
    const { placed, recipe } = found;
    const described = { ...tensorOf(placed), ...describeRecipe(recipe, placed) };
    const key = canonicalJson(described);
    if (!made.has(key)) made.set(key, { recipe: described, sha256: [] });
    made.get(key)!.sha256.push(placed.piece.sha256);
    results.add(placed.component);
    for (const { component } of [recipe.from, ...(recipe.merge ? [recipe.merge.a, recipe.merge.b] : [])])
      sources.add(component);
  }
  return {
    subject: filesOf(value, results),
    recipes: [...made.values()].map(({ recipe, sha256 }) => ({ ...(recipe as object), sha256 }) as Json),
    resolvedDependencies: filesOf(old, sources),
  };
}

/** The manifest and files of a version, as in-toto describes resources. */
function filesOf(manifest: Manifest, components: ReadonlySet<Component>): Json[] {
  const files = [...components].map(({ file }) => ({ name: file.name, digest: { sha256: file.sha256 } }));
  return [{ name: MANIFEST_NAME, digest: { sha256: generationOf(manifest) } }, ...files];
}

function describeRecipe({ from, merge, slices }: Recipe, { section }: PlacedPiece): { readonly [how: string]: Json } {
  if (slices) return { slice: { from: tensorOf(from), slices: [...slices] } };
  if (!merge) return { quantize: { from: tensorOf(from), to: section.type! } };
  const { a, b, scale } = merge;
  return { merge: { from: tensorOf(from), a: tensorOf(a), b: tensorOf(b), scale } };
}

function tensorOf({ component, section }: PlacedPiece): { readonly component: string; readonly tensor: string } {
  return { component: component.role, tensor: section.name };
}
