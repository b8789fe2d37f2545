/**
 * Rotates the residual stream of a model by a random Hadamard matrix, folded into its weights (QuaRot: Ashkboos et al. 2024): the model
 * computes the same, and no channel has larger weights or values than the others, which may help at 3 bits and less. The gains of norms
 * are folded into the matrices behind them, because a rotation and gains do not commute.
 *
 *     matrices that read the stream    W ← W · diag(gain) · R
 *     matrices that write to it        W ← Rᵀ · W           embeddings: rows e ← e · R
 */
import { OptionError, UnsupportedError } from '../core/errors.ts';
import { seededRandom } from '../core/random.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import type { GgufValue } from '../formats/gguf/write.ts';
import { type CheckpointSource, openCheckpoint } from '../formats/open.ts';
import { isWeight, type Value } from '../graph/graph.ts';
import { layerNormOp } from '../graph/ops/layerNorm.ts';
import { linearOp } from '../graph/ops/linear.ts';
import { rmsNormOp } from '../graph/ops/rmsNorm.ts';
import { selectRowsOp } from '../graph/ops/selectRows.ts';
import { buildModel } from '../models/buildModel.ts';
import { dequantized } from '../models/dequantized.ts';
import { inGgufTerms } from '../models/inGgufTerms.ts';
import { formatByName } from '../tensor/formats.ts';
import { finiteValues } from './finiteValues.ts';
import { writeFile } from './writeFile.ts';

export interface RotateOptions {
  /** Seed of the matrix's signs. Default: 1. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

const F32 = formatByName('F32');

/** Norm in front of each matrix that reads the stream, by the part of its name behind the block's. */
const READERS: Readonly<Record<string, string>> = {
  ...{ attn_q: 'attn_norm', attn_k: 'attn_norm', attn_v: 'attn_norm', attn_qkv: 'attn_norm' },
  ...{ ffn_gate: 'ffn_norm', ffn_up: 'ffn_norm' },
};
const WRITERS = ['attn_output', 'ffn_down'];
const NORMS = ['attn_norm', 'ffn_norm'];
/** Parts of a block that see no residual stream. */
const APART = /^((attn_(q|k|v|qkv)|ffn_(gate|up))\.bias|attn_(q|k)_norm\.weight)$/;

/**
 * @param source in F32, F16 or BF16 @param output path of the GGUF file, in F32
 * @throws {UnsupportedError} for a quantized source, tied embeddings, and parts whose place in the stream is not known, e.g. norms with biases
 */
export async function rotate(source: CheckpointSource, output: string, options: RotateOptions = {}): Promise<void> {
  if (source === output) throw new OptionError('the output', output, 'another file than the source');
  const opened = await openCheckpoint(source, options);
  try {
    const checkpoint = inGgufTerms(opened);
    refuseRotation(checkpoint);
    const width = checkpoint.tensors.get('token_embd.weight')!.shape.at(-1)!;
    const rotation = new Rotation(width, options.seed ?? 1);
    const tensors = [...checkpoint.tensors.values()].map((tensor) => ({
      name: tensor.name,
      shape: tensor.shape,
      format: F32,
      async data() {
        options.signal?.throwIfAborted();
        return new Uint8Array((await rotated(tensor, checkpoint, rotation)).buffer);
      },
    }));
    const metadata = [...checkpoint.metadata].filter(([key]) => !key.startsWith('split.')) as [string, GgufValue][];
    await writeFile(output, { metadata: [...metadata, ['general.file_type', 0]], tensors }, options);
    await opened.finish?.(options.signal);
  } finally {
    await opened.close();
  }
}

const partOf = (name: string): string => name.replace(/^blk\.\d+\./, '');

/** @throws {UnsupportedError} for a model whose residual stream cannot be rotated */
export function refuseRotation(checkpoint: Checkpoint): void {
  const { name: file, tensors } = checkpoint;
  const what = `${file}: rotating a model with`;
  if (!tensors.has('token_embd.weight') || !tensors.has('output.weight'))
    throw new UnsupportedError(
      what,
      'tied embeddings (no output.weight), because the gain of the last norm has no matrix to go to,',
    );
  for (const { name, format } of tensors.values()) {
    if (format.blockSize > 1) throw new UnsupportedError(`${what} tensors in`, format.name, ['F32', 'F16', 'BF16']);
    const part = partOf(name);
    const isKnown =
      ['token_embd.weight', 'output.weight', 'output_norm.weight', 'rope_freqs.weight'].includes(name) ||
      (name.startsWith('blk.') && (APART.test(part) || isStream(part)));
    if (!isKnown) throw new UnsupportedError(`${what} tensor`, name);
  }
  refuseOtherNorms(checkpoint, what);
}

/**
 * Every matrix that reads the stream must have an RMS norm with the expected gain in front of it. A layer norm subtracts the mean of the
 * channels, which a rotation changes; and the stream must have no other norms. @throws {UnsupportedError}
 */
function refuseOtherNorms(checkpoint: Checkpoint, what: string): void {
  const { graph } = buildModel(dequantized(checkpoint));
  const known = new Set<Value>();
  const nodes = graph.live();
  for (const { op, inputs } of nodes) {
    if (op !== linearOp || !isWeight(inputs[1])) continue;
    const { tensor } = inputs[1].attributes;
    const gain = gainOf(tensor);
    if (gain === undefined) continue;
    let [x] = inputs;
    while (x.op === selectRowsOp) [x] = x.inputs;
    const found = x.op === rmsNormOp && isWeight(x.inputs[1]) ? x.inputs[1].attributes.tensor : undefined;
    if (found !== gain) throw new UnsupportedError(what, `${tensor} without the RMS norm ${gain} in front of it`);
    known.add(x);
  }
  const other = nodes.find(
    (node) =>
      [rmsNormOp, layerNormOp].some((op) => op === node.op) &&
      !known.has(node) &&
      !APART.test(`${partOf(node.label)}.weight`),
  );
  if (other) throw new UnsupportedError(what, `the norm ${other.label}`);
}

/** Name of the gain in front of a matrix that reads the stream; undefined for other matrices. */
function gainOf(matrix: string): string | undefined {
  if (matrix === 'output.weight') return 'output_norm.weight';
  const part = partOf(matrix);
  const stem = part.replace(/\.weight$/, '');
  return stem in READERS ? matrix.replace(stem, READERS[stem]) : undefined;
}

function isStream(part: string): boolean {
  const [, stem = '', kind] = /^(\w+)\.(weight|bias)$/.exec(part) ?? [];
  if (kind === 'bias') return WRITERS.includes(stem);
  return stem in READERS || WRITERS.includes(stem) || NORMS.includes(stem);
}

async function rotated(tensor: CheckpointTensor, checkpoint: Checkpoint, rotation: Rotation): Promise<Float32Array> {
  const { name, shape } = tensor;
  const values = await finiteValues(checkpoint, tensor);
  const part = partOf(name);
  const stem = part.replace(/\.(weight|bias)$/, '');
  const { width } = rotation;
  const gain = gainOf(name);
  if (name === 'token_embd.weight') rotation.rows(values);
  else if (name === 'output_norm.weight' || NORMS.includes(stem)) values.fill(1);
  else if (gain !== undefined) await read(values, gain, checkpoint, rotation);
  else if (WRITERS.includes(stem)) {
    // a column of the matrix is a vector of the stream; a bias is one
    const columns = shape.length === 1 ? 1 : shape.at(-1)!;
    const column = new Float32Array(width);
    for (let j = 0; j < columns; j++) {
      for (let i = 0; i < width; i++) column[i] = values[i * columns + j];
      rotation.rows(column);
      for (let i = 0; i < width; i++) values[i * columns + j] = column[i];
    }
  }
  return values;
}

/** Folds a gain into the columns of a matrix, and rotates its rows. */
async function read(values: Float32Array, norm: string, checkpoint: Checkpoint, rotation: Rotation): Promise<void> {
  const gain = await finiteValues(checkpoint, checkpoint.tensors.get(norm)!);
  for (let i = 0; i < values.length; i++) values[i] *= gain[i % gain.length];
  rotation.rows(values);
}

/** R = diag(signs) · Hadamard matrices along the diagonal, the largest that divide the width; orthogonal. */
class Rotation {
  readonly width: number;
  readonly #signs: Float32Array;
  readonly #block: number;

  constructor(width: number, seed: number) {
    const random = seededRandom(seed);
    this.width = width;
    this.#signs = Float32Array.from({ length: width }, () => 1 - 2 * random.integer(2));
    // the largest power of two that divides the width
    this.#block = width & -width;
  }

  /** Multiplies rows by R, in place. */
  rows(values: Float32Array): void {
    const { width } = this;
    const size = this.#block;
    const scale = 1 / Math.sqrt(size);
    for (let i = 0; i < values.length; i++) values[i] *= scale * this.#signs[i % width];
    for (let from = 0; from < values.length; from += size)
      for (let half = 1; half < size; half *= 2)
        for (let first = from; first < from + size; first += 2 * half)
          for (let i = first; i < first + half; i++) {
            const [a, b] = [values[i], values[i + half]];
            values[i] = a + b;
            values[i + half] = a - b;
          }
  }
}
