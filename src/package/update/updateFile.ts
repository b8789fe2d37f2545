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
import { PackageError } from '../../formats/packages/packageError.ts';
import { deflate, inflateAtMost } from '../delta/deflate.ts';

const count = z.number().int().nonnegative();
const index = z.strictObject({
  /** Bytes of the new manifest, and of its patch. */
  manifest: z.tuple([count, count]),
  /**
   * For each delta: number of the new piece, number of the old piece, bytes. Pieces are numbered as piecesOf yields them. null stands for a piece of
   * zeros: the delta is the new piece in compressed form.
   */
  deltas: z.array(z.tuple([count, count.nullable(), count])).max(1_000_000),
  /** Pieces that the device makes itself, see derive/recipe.ts. */
  derived: z
    .array(
      z.union([
        z.tuple([count, count]),
        z.tuple([count, count, z.array(count).max(65_536)]),
        z.tuple([count, count, count, count, z.number()]),
      ]),
    )
    .max(1_000_000)
    .default([]),
});

export type UpdateIndex = z.infer<typeof index>;

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
    const text = new TextDecoder().decode(await inflateAtMost(packed, MAX_INDEX_BYTES));
    return index.parse(JSON.parse(text));
  } catch (error) {
    throw new PackageError('BAD_UPDATE', `${where}: its index is damaged`, { where }, { cause: error });
  }
}
