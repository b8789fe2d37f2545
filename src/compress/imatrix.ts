/**
 * Importance matrices as llama.cpp's llama-imatrix writes them (GGUF): for each weight the sums of the squares of its inputs,
 * and the number of tokens.
 *
 *     blk.0.attn_q.weight.in_sum2  F32 [matrices, columns]     one matrix, or one per expert
 *     blk.0.attn_q.weight.counts   F32 [matrices, 1]
 */

import { fileSource } from '#leaf/formats/sources/path';
import { FormatError } from '../core/errors.ts';
import type { CheckpointTensor } from '../formats/checkpoint.ts';
import { readGguf } from '../formats/gguf/read.ts';
import type { GgufContents } from '../formats/gguf/write.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { formatByName } from '../tensor/formats.ts';
import { writeFile } from './writeFile.ts';

export interface ImportanceEntry {
  /** Σ x² per column, [columns]. */
  readonly squares: Float32Array;
  /** Number of tokens. */
  readonly tokens: number;
}

/** Importance of the columns of matrices, by tensor name. */
export interface ImportanceMatrix {
  readonly entries: ReadonlyMap<string, ImportanceEntry>;
  /** Names of the texts. */
  readonly texts: readonly string[];
  /** Number of windows, and tokens in each. */
  readonly windows: number;
  readonly windowSize: number;
}

const F32 = formatByName('F32');
const SUMS = '.in_sum2';
const COUNTS = '.counts';

/** Writes a file that llama-quantize and `quantize` read. @throws {SourceError} e.g. if the disk is full */
export async function writeImatrix(path: string, matrix: ImportanceMatrix): Promise<void> {
  await writeFile(path, contentsOf(matrix));
}

function contentsOf({ entries, texts, windows, windowSize }: ImportanceMatrix): GgufContents {
  const tensors = [...entries]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, { squares, tokens }]) => [
      { name: name + SUMS, format: F32, shape: [1, squares.length], data: bytesOfFloats(squares) },
      { name: name + COUNTS, format: F32, shape: [1, 1], data: bytesOfFloats(Float32Array.of(tokens)) },
    ]);
  return {
    metadata: [
      ['general.type', 'imatrix'],
      ['imatrix.datasets', [...texts]],
      ['imatrix.chunk_count', windows],
      ['imatrix.chunk_size', windowSize],
    ],
    tensors,
  };
}

const bytesOfFloats = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Reads a file. Matrices with one importance per expert are added up. @throws {FormatError} @throws {SourceError} */
export async function readImatrix(path: string): Promise<ImportanceMatrix> {
  const source = await fileSource(path);
  try {
    const file = await readGguf(source);
    const { metadata, tensors } = file;
    if (metadata.get('general.type') !== 'imatrix')
      throw new FormatError(path, 'is not an importance matrix: general.type is not imatrix', {
        expected: 'imatrix',
        found: metadata.get('general.type'),
      });
    const entries = new Map<string, ImportanceEntry>();
    for (const [name, tensor] of tensors) {
      if (!name.endsWith(SUMS)) continue;
      const weight = name.slice(0, -SUMS.length);
      const counts = tensors.get(weight + COUNTS);
      if (!counts) throw new FormatError(path, `tensor ${weight}${COUNTS} is missing`, { tensor: weight + COUNTS });
      entries.set(weight, await entryOf(path, tensor, counts));
    }
    const texts = metadata.get('imatrix.datasets');
    return {
      entries,
      texts: Array.isArray(texts) ? texts.map(String) : [],
      windows: Number(metadata.get('imatrix.chunk_count') ?? 0),
      windowSize: Number(metadata.get('imatrix.chunk_size') ?? 0),
    };
  } finally {
    await source.close();
  }
}

async function entryOf(path: string, sums: CheckpointTensor, counts: CheckpointTensor): Promise<ImportanceEntry> {
  const all = await tensorValues(sums);
  const tokens = await tensorValues(counts);
  const columns = sums.shape.at(-1)!;
  if (columns === 0 || all.length % columns !== 0 || !all.every((value) => Number.isFinite(value) && value >= 0))
    throw new FormatError(path, `tensor ${sums.name} has values that are no sums of squares`, { tensor: sums.name });
  const squares = new Float32Array(columns);
  for (const [i, value] of all.entries()) squares[i % columns] += value;
  return { squares, tokens: tokens.reduce((sum, count) => sum + count, 0) };
}
