/**
 * The update file from one generation to another, `updates/FROM-TO` in a published folder:
 *
 *     byte  0            4
 *          [ index    ][ index, deflated JSON ][ the new manifest as a patch of the old one ][ deltas, one after another ]
 *            u32 bytes
 *
 * It need not be signed, because its results are verified against the hashes of the signed manifest.
 */
import { z } from 'zod';
import { firstProblem, listOf, parseBoundedJson, shortList } from '../../formats/packages/boundedJson.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import { deflate, inflateAtMost } from '../delta/deflate.ts';

const count = z.number().int().nonnegative();
const MAX_ENTRIES = 1_000_000;
/**
 * For each delta: number of the new piece, number of the old piece, bytes. Pieces are numbered as piecesOf yields them. null stands for a piece of zeros:
 * the delta is the new piece in compressed form.
 */
const delta = z.tuple([count, count.nullable(), count]);
const recipe = z.union([
  z.tuple([count, count]),
  z.tuple([count, count, shortList(count, 65_536)]),
  z.tuple([count, count, count, count, z.number()]),
]);
const index = z.strictObject({
  /** Bytes of the new manifest, and of its patch. */
  manifest: z.tuple([count, count]),
  deltas: listOf(0, MAX_ENTRIES),
  derived: listOf(0, MAX_ENTRIES).optional(),
});

export interface UpdateIndex extends Pick<z.infer<typeof index>, 'manifest'> {
  deltas: z.infer<typeof delta>[];
  /** Pieces that the device makes itself, see derive/recipe.ts. */
  derived: z.infer<typeof recipe>[];
}

const MAX_INDEX_BYTES = 32 * 1024 * 1024;

export async function writeUpdate(
  value: UpdateIndex,
  patch: Uint8Array,
  deltas: readonly Uint8Array[],
): Promise<Uint8Array[]> {
  const packed = await deflate([new TextEncoder().encode(JSON.stringify(value))]);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, packed.length, true);
  return [length, packed, patch, ...deltas];
}

/** Bytes of the index from the file's first four bytes. */
export function indexBytes(first: Uint8Array): number {
  return new DataView(first.buffer, first.byteOffset).getUint32(0, true);
}

/** @throws {PackageError} BAD_UPDATE */
export async function readUpdateIndex(packed: Uint8Array, where: string): Promise<UpdateIndex> {
  try {
    const value = parseBoundedJson(await inflateAtMost(packed, MAX_INDEX_BYTES), 3 * MAX_ENTRIES);
    const problem = firstProblem(index, value);
    if (problem) throw new TypeError(`${problem.field}: ${problem.message}`);
    const { manifest, deltas, derived = [] } = value as UpdateIndex;
    for (const [schema, list] of [[delta, deltas] as const, [recipe, derived] as const])
      for (const [i, entry] of list.entries()) {
        const problem = firstProblem(schema, entry);
        if (problem) throw new TypeError(`entry ${i}: ${problem.message}`);
      }
    return { manifest, deltas, derived };
  } catch (error) {
    throw new PackageError('BAD_UPDATE', `${where}: its index is damaged`, { where }, { cause: error });
  }
}
