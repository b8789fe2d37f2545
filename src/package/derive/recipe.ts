/**
 * A recipe makes a piece from tensors that the device has, without a download. An update file lists it as numbers:
 *
 *     [piece, tensor]                quantize the tensor again
 *     [piece, tensor, A, B, scale]   merge an adapter's factors into the tensor
 *     [piece, tensor, [slices]]      take experts of the tensor
 *
 * A tensor is named by any of its pieces. The publisher offers a recipe only where it made exactly the published bytes, and the result's hash is verified.
 */
import { type Manifest, type Piece, type PlacedPiece, piecesOf } from '../../formats/packages/manifest.ts';
import { isMergeable, mergePiece } from './mergeSection.ts';
import { isQuantizable, quantizePiece } from './quantizeSection.ts';
import type { ReadPiece } from './section.ts';
import { isSliceable, slicePiece } from './sliceSection.ts';

export interface Recipe {
  /** Any piece of the old tensor. */
  readonly from: PlacedPiece;
  /** Numbers of the tensor's slices, in the order of the new tensor. */
  readonly slices?: readonly number[];
  /** The factors to merge. */
  readonly merge?: { readonly a: PlacedPiece; readonly b: PlacedPiece; readonly scale: number };
}

/** An entry in the list of an update file. */
export type ListedRecipe =
  | readonly [to: number, from: number]
  | readonly [to: number, from: number, slices: readonly number[]]
  | readonly [to: number, from: number, a: number, b: number, scale: number];

/** True if the tensors have the formats and shapes that the recipe needs. */
export function fits({ from, merge, slices }: Recipe, { section }: PlacedPiece): boolean {
  if (slices) return isSliceable(from.section, section, slices);
  if (!merge) return isQuantizable(from.section, section);
  return isMergeable(from.section, section, { a: merge.a.section, b: merge.b.section, scale: merge.scale });
}

/** Stored pieces that the recipe reads. */
export function inputsOf({ from, merge }: Recipe): Piece[] {
  return [from, ...(merge ? [merge.a, merge.b] : [])].flatMap(({ section }) => section.pieces);
}

/** @param reader reads pieces of the section of a placed piece @returns bytes whose hash the caller compares */
export function runRecipe(
  { from, merge, slices }: Recipe,
  placed: PlacedPiece,
  reader: (placed: PlacedPiece) => ReadPiece,
): Promise<Uint8Array> {
  if (slices) return slicePiece(from.section, placed.section, placed.index, slices, reader(from));
  if (!merge) return quantizePiece(from.section, placed.section, placed.index, reader(from));
  const factors = { a: merge.a.section, b: merge.b.section, scale: merge.scale };
  const readFactor = (section: unknown) => reader(section === merge.a.section ? merge.a : merge.b);
  return mergePiece(from.section, placed.section, placed.index, factors, reader(from), readFactor);
}

/** @returns undefined if a number is none of a piece, or the tensors do not fit */
export function recipeOf(
  listed: ListedRecipe,
  oldPieces: readonly PlacedPiece[],
  newPieces: readonly PlacedPiece[],
): { readonly placed: PlacedPiece; readonly recipe: Recipe } | undefined {
  const placed = newPieces[listed[0]];
  const from = oldPieces[listed[1]];
  if (!placed || !from) return undefined;
  if (listed.length === 2) return fits({ from }, placed) ? { placed, recipe: { from } } : undefined;
  if (listed.length === 3) {
    const recipe = { from, slices: listed[2] };
    return fits(recipe, placed) ? { placed, recipe } : undefined;
  }
  const [, , first, second, scale] = listed;
  const [a, b] = [oldPieces[first], oldPieces[second]];
  if (!a || !b) return undefined;
  const recipe = { from, merge: { a, b, scale } };
  return fits(recipe, placed) ? { placed, recipe } : undefined;
}

export interface AdapterFactors {
  readonly role: string;
  readonly rank: number;
  /** Numbers of the factors' first pieces. */
  readonly a: number;
  readonly b: number;
}

/** Numbers of the first pieces of the factors of every adapter in a package, by the name of their matrix. */
export function factorsOf(manifest: Manifest): Map<string, AdapterFactors[]> {
  const first = new Map<string, number>();
  const found = new Map<string, AdapterFactors[]>();
  const pieces = [...piecesOf(manifest)];
  for (const [i, { component, section, index }] of pieces.entries()) {
    const [, matrix, factor] = /^(.+)\.lora_([ab])$/.exec(section.name) ?? [];
    if (!component.role.startsWith('adapter/') || matrix === undefined || index > 0) continue;
    const other = first.get(`${component.role} ${matrix} ${factor === 'a' ? 'b' : 'a'}`);
    first.set(`${component.role} ${matrix} ${factor}`, i);
    if (other === undefined) continue;
    const pair = factor === 'a' ? { a: i, b: other } : { a: other, b: i };
    const rank = pieces[pair.a].section.shape?.[0] ?? 0;
    found.set(matrix, [...(found.get(matrix) ?? []), { role: component.role, rank, ...pair }]);
  }
  return found;
}
