/**
 * Importance matrices as llama.cpp's llama-imatrix writes them (GGUF): for each weight the sums of the squares of its inputs,
 * and the number of tokens.
 *
 *     blk.0.attn_q.weight.in_sum2  F32 [matrices, columns]     one matrix, or one per expert
 *     blk.0.attn_q.weight.counts   F32 [matrices, 1]
 *     blk.0.attn_q.weight.in_abs_quantiles  F32 [5]     ours, optional: |x| at the shares `espalier.imatrix.quantiles`
 */

import { fileSource } from '#leaf/formats/sources/path';
import { FormatError } from '../core/errors.ts';
import type { CheckpointTensor } from '../formats/checkpoint.ts';
import { readGguf } from '../formats/gguf/read.ts';
import type { GgufContents, GgufValue } from '../formats/gguf/write.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { formatByName } from '../tensor/formats.ts';
import { QUANTILES } from './inputQuantiles.ts';
import { writeFile } from './writeFile.ts';

export interface ImportanceEntry {
  /** Σ x² per column, [columns], or [experts, columns] for the stacked matrices of experts. */
  readonly squares: Float32Array;
  /** Number of tokens, of each expert. */
  readonly tokens: readonly number[];
  /** Quantiles of |x| of the input of the matrix, by `QUANTILES`, if they were measured: a file keeps them beside the sums. */
  readonly quantiles?: readonly number[];
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
/** llama-quantize passes over tensors with other endings. */
const ABS_QUANTILES = '.in_abs_quantiles';

/** Writes a file that llama-quantize and `quantize` read. @throws {SourceError} e.g. if the disk is full */
export async function writeImatrix(path: string, matrix: ImportanceMatrix): Promise<void> {
  await writeFile(path, contentsOf(matrix));
}

function contentsOf({ entries, texts, windows, windowSize }: ImportanceMatrix): GgufContents {
  const tensors = [...entries]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, { squares, tokens, quantiles }]) => [
      {
        name: name + SUMS,
        format: F32,
        shape: [tokens.length, squares.length / tokens.length],
        data: bytesOfFloats(squares),
      },
      { name: name + COUNTS, format: F32, shape: [tokens.length, 1], data: bytesOfFloats(Float32Array.from(tokens)) },
      ...(quantiles
        ? [
            {
              name: name + ABS_QUANTILES,
              format: F32,
              shape: [quantiles.length],
              data: bytesOfFloats(Float32Array.from(quantiles)),
            },
          ]
        : []),
    ]);
  const hasQuantiles = [...entries.values()].some(({ quantiles }) => quantiles);
  return {
    metadata: [
      ['general.type', 'imatrix'],
      ['imatrix.datasets', [...texts]],
      ['imatrix.chunk_count', windows],
      ['imatrix.chunk_size', windowSize],
      ...(hasQuantiles ? ([['espalier.imatrix.quantiles', [...QUANTILES]]] as [string, GgufValue][]) : []),
    ],
    tensors,
  };
}

const bytesOfFloats = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Reads a file. @throws {FormatError} @throws {SourceError} */
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
      const quantiles = tensors.get(weight + ABS_QUANTILES);
      entries.set(weight, {
        ...(await entryOf(path, tensor, counts)),
        ...(quantiles && { quantiles: [...(await tensorValues(quantiles))] }),
      });
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
  const squares = await tensorValues(sums);
  const tokens = [...(await tensorValues(counts))];
  const isCount = (value: number) => Number.isFinite(value) && value >= 0;
  if (squares.length === 0 || squares.length % tokens.length !== 0 || !squares.every(isCount) || !tokens.every(isCount))
    throw new FormatError(path, `tensor ${sums.name} has values that are no sums of squares`, { tensor: sums.name });
  return { squares, tokens };
}

/** Importance of the columns of the matrices of a tensor. */
export interface ColumnImportance {
  /** [columns] for all matrices, or one for each. */
  readonly rows: readonly Float32Array[];
  /** Number of experts that saw no token. They have the importance of all tokens. */
  readonly unseen: number;
}

/** @param file name of the model, for error messages @throws {FormatError} if the sizes of tensor and entry differ */
export function columnImportance(
  file: string,
  { name, shape }: Pick<CheckpointTensor, 'name' | 'shape'>,
  { squares, tokens }: ImportanceEntry,
): ColumnImportance {
  const columns = shape.at(-1)!;
  const matrices = shape.slice(0, -2).reduce((product, size) => product * size, 1);
  if (squares.length === columns) return { rows: [squares], unseen: 0 };
  if (squares.length !== matrices * columns) {
    const size = matrices === 1 ? `${columns} columns` : `${matrices} × ${columns} columns`;
    const problem = `tensor ${name} has ${size} but the importance matrix has ${squares.length}: it is of another model`;
    const expected = matrices * columns;
    throw new FormatError(file, problem, { tensor: name, expected, found: squares.length });
  }
  const isUnseen = (matrix: number) => tokens.length === matrices && tokens[matrix] === 0;
  const all = sumOfRows(squares, columns);
  const rows = Array.from({ length: matrices }, (_, matrix) =>
    isUnseen(matrix) ? all : squares.subarray(matrix * columns, (matrix + 1) * columns),
  );
  return { rows, unseen: rows.filter((row) => row === all).length };
}

/** The importance of the columns for all matrices together. */
export function sumOfRows(squares: Float32Array, columns: number): Float32Array {
  const sum = new Float32Array(columns);
  for (const [i, value] of squares.entries()) sum[i % columns] += value;
  return sum;
}
