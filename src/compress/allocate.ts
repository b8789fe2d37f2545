/**
 * Chooses the format of each tensor under a budget of bytes (mixed bits). For every matrix and every format the true KL divergence is
 * measured that this one matrix causes when it alone is quantized; small divergences add up, so a dynamic program over the
 * bytes finds the formats with the least sum.
 */
import { backendByName } from '../backends/index.ts';
import { OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import type { Program } from '../graph/program.ts';
import { buildModel } from '../models/buildModel.ts';
import { dequantized } from '../models/dequantized.ts';
import { weightStore } from '../models/weightStore.ts';
import { klDivergence } from '../sampling/klDivergence.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import type { Windows } from './calibrationText.ts';
import { type Choice, cheapest } from './cheapest.ts';
import { encode } from './encodeRows.ts';
import { isQuantizable, keptFormat } from './mixture.ts';

export interface AllocateOptions {
  readonly windows: Windows;
  /** Maximum bytes of all tensors. */
  readonly bytes: number;
  /** Importance of the columns of each matrix, by tensor name. */
  readonly importance: ReadonlyMap<string, Float32Array>;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** Formats to choose from, by whether the rows are whole super-blocks. */
const SUPER_BLOCKS = ['Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_0'].map(formatByName);
const BLOCKS = ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0'].map(formatByName);
/** Tokens that divergences are measured on. */
const TOKENS = 1024;
/** Maximum bytes of the logits of one measurement. */
const LOGIT_BYTES = 2 ** 25;

/** @returns the format of each matrix, by name @throws {OptionError} if no formats fit into the bytes; says what does */
export async function allocate(checkpoint: Checkpoint, options: AllocateOptions): Promise<Map<string, BlockFormat>> {
  const { bytes, importance, signal, onProgress } = options;
  const tensors = [...checkpoint.tensors.values()];
  const matrices = tensors.filter(isQuantizable);
  const fixed = tensors
    .filter((tensor) => !isQuantizable(tensor))
    .reduce((sum, tensor) => sum + sizeAs(tensor, keptFormat(tensor)), 0);
  const least = fixed + matrices.reduce((sum, tensor) => sum + sizeAs(tensor, formatsOf(tensor)[0]!), 0);
  if (bytes < least)
    throw new OptionError(
      'the budget',
      `${bytes} bytes of tensors`,
      `at least ${least}, the smallest that these formats reach`,
    );
  const probe = await Probe.create(checkpoint, options);
  try {
    const choices: Choice<BlockFormat>[][] = [];
    for (const [index, tensor] of matrices.entries()) {
      const columns = tensor.shape.at(-1)!;
      const values = await tensorValues(tensor);
      const own: Choice<BlockFormat>[] = [];
      for (const format of formatsOf(tensor)) {
        signal?.throwIfAborted();
        const blocks = encode(values, columns, format, importance.get(tensor.name));
        const decoded = new Float32Array(values.length);
        format.decode(blocks, 0, decoded, 0, blocks.length / format.blockBytes);
        own.push({ value: format, size: sizeAs(tensor, format), cost: await probe.divergence(tensor.name, decoded) });
      }
      await probe.restore(tensor.name, values);
      choices.push(own);
      onProgress?.({
        stage: 'sensitivities',
        done: index + 1,
        total: matrices.length,
        unit: 'pieces',
        item: tensor.name,
      });
    }
    const chosen = cheapest(choices, bytes - fixed)!;
    return new Map(matrices.map(({ name }, i) => [name, chosen[i]!]));
  } finally {
    probe.dispose();
  }
}

function formatsOf({ shape }: CheckpointTensor): readonly BlockFormat[] {
  const columns = shape.at(-1)!;
  if (columns % 256 === 0) return SUPER_BLOCKS;
  return columns % 32 === 0 ? BLOCKS : [formatByName('F16')];
}

function sizeAs({ byteLength, format: own }: CheckpointTensor, format: BlockFormat): number {
  return bytesOf(format, (byteLength / own.blockBytes) * own.blockSize);
}

/** The model in F32, with weights that can be replaced one at a time. */
class Probe {
  readonly #program: Program;
  readonly #windows: Windows;
  readonly #rows: Int32Array;
  readonly #vocabulary: number;
  #reference: Float32Array = new Float32Array();

  private constructor(program: Program, windows: Windows, rows: Int32Array, vocabulary: number) {
    this.#program = program;
    this.#windows = windows;
    this.#rows = rows;
    this.#vocabulary = vocabulary;
  }

  static async create(checkpoint: Checkpoint, { windows, threads, backend, signal }: AllocateOptions): Promise<Probe> {
    const model = buildModel(dequantized(checkpoint), windows.size);
    const count = Math.max(1, Math.min(windows.count, Math.floor(TOKENS / windows.size)));
    const tokens = count * windows.size;
    const vocabulary = model.graph.outputs.get('logits')!.shape[1];
    const wanted = Math.max(1, Math.min(tokens, Math.floor(LOGIT_BYTES / (4 * vocabulary))));
    const rows = Int32Array.from({ length: wanted }, (_, i) => Math.floor(((i + 1) * tokens) / wanted) - 1);
    const limits = { maxTokens: tokens, maxRows: wanted, context: windows.size };
    const options = { ...limits, weights: weightStore(model), settings: { threads }, signal };
    const program = await backendByName(backend).compile(model.graph, options);
    const probe = new Probe(program, { ...windows, count, tokens: windows.tokens.slice(0, tokens) }, rows, vocabulary);
    probe.#reference = await probe.#logits();
    return probe;
  }

  /** Mean KL divergence with other values of a weight. The weight keeps them. */
  async divergence(tensor: string, values: Float32Array): Promise<number> {
    await this.#program.writeTensor(tensor, values);
    const logits = await this.#logits();
    let sum = 0;
    for (let at = 0; at < logits.length; at += this.#vocabulary) {
      const end = at + this.#vocabulary;
      sum += klDivergence(this.#reference.subarray(at, end), logits.subarray(at, end));
    }
    return sum / this.#rows.length;
  }

  restore(tensor: string, values: Float32Array): Promise<void> {
    return this.#program.writeTensor(tensor, values);
  }

  dispose(): void {
    this.#program.dispose();
  }

  #logits(): Promise<Float32Array> {
    const { tokens, size } = this.#windows;
    const step = { tokens, sequence: size, rows: this.#rows, outputs: ['logits'] };
    return this.#program.run(step).output('logits');
  }
}
