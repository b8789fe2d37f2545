/**
 * Trains a quantized model on the KL divergence from its source, within its formats: the scales of blocks with frozen integers
 * (Egiazarian et al. 2024, EfficientQAT's second phase), or the weights behind the integers (quantization-aware training), and the
 * vectors (gains, biases). The file keeps its formats and bytes. Both models are in memory in F32.
 */
import { backendByName } from '../../backends/index.ts';
import { EspalierError, OptionError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import { seededRandom } from '../../core/random.ts';
import type { Checkpoint, CheckpointTensor } from '../../formats/checkpoint.ts';
import type { GgufValue } from '../../formats/gguf/write.ts';
import { openCheckpoint } from '../../formats/open.ts';
import { readTensor } from '../../formats/readTensor.ts';
import { tensorValues } from '../../formats/tensorValues.ts';
import { gradients, trainableWeights } from '../../graph/gradients.ts';
import type { Value } from '../../graph/graph.ts';
import { after } from '../../graph/ops/after.ts';
import { input } from '../../graph/ops/input.ts';
import { klDivergence } from '../../graph/ops/klDivergence.ts';
import { state } from '../../graph/ops/state.ts';
import { weightedSum } from '../../graph/ops/weightedSum.ts';
import type { Program } from '../../graph/program.ts';
import { buildModel } from '../../models/buildModel.ts';
import { dequantized } from '../../models/dequantized.ts';
import { inGgufTerms } from '../../models/inGgufTerms.ts';
import { weightStore } from '../../models/weightStore.ts';
import { createTokenizer } from '../../tokenizer/tokenizer.ts';
import { calibrationWindows, type Windows } from '../calibrationText.ts';
import { finiteValues } from '../finiteValues.ts';
import type { GridFormat } from '../matrix/gridBlocks.ts';
import { isSearched } from '../solver.ts';
import { writeFile } from '../writeFile.ts';
import { blockParts } from './blockParts.ts';
import { TrainedScales, type TrainedTensor, TrainedVector } from './trainedTensor.ts';
import { TrainedWeights } from './trainedWeights.ts';

export interface TuneOptions {
  /** Text to train on: the calibration text. */
  readonly text: string;
  /**
   * 'scales' (default): the scales of quantized matrices, whose integers are frozen. 'weights': weights in F32 that the model sees
   * rounded to their format (quantization-aware training), which moves integers, too; it needs more steps, for 3 bits and less. Both
   * train the gains of norms and biases.
   */
  readonly train?: Trained;
  /**
   * Path of the file that `model` was quantized from, where the weights of train 'weights' start. Default: the source. After other
   * stages (fewer layers, a rotation …) it differs from the source, whose distribution is learned.
   */
  readonly original?: string;
  /** With train 'weights': weights that are 0 in the original and in the model stay 0. */
  readonly keepZeros?: boolean;
  /** Number of updates. Default: 200. */
  readonly steps?: number;
  /** Tokens per window. Default: 256, at most the trained context. */
  readonly window?: number;
  /** Windows per update. Default: 4. */
  readonly batch?: number;
  /** First learning rate, relative to the parameters' size; it falls to 0 along a cosine. Default: 0.002. */
  readonly learningRate?: number;
  /** Seed of the order of the windows. Default: 1. */
  readonly seed?: number;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
  /** Progress with stage 'tune', in pieces: one per update. */
  readonly onProgress?: OnProgress;
}

export interface TuneResult {
  readonly steps: number;
  readonly tokens: number;
  /** Mean KL divergence on windows that were held out, before and after. */
  readonly before: number;
  readonly after: number;
  /** False if training did not improve it; the output is then the model as it was. */
  readonly isImproved: boolean;
  /** Quantized matrices that were not trained, because their format has no grid (codebooks). */
  readonly untrained: readonly string[];
  readonly seconds: number;
}

/** What is trained: the scales of quantized matrices with frozen integers, or weights behind the integers. */
export type Trained = 'scales' | 'weights';

/** Windows per update. */
export const BATCH = 4;
/** Windows that judge the result. */
const HELD_OUT = 8;
const NAMES = { teacher: 'teacher', weights: 'weights', loss: 'loss', update: 'gradients', tick: 'tick' };

/**
 * @param source the model whose distribution is learned @param model path of the quantized GGUF file
 * @param output path of the file to write; may be `model`
 * @throws {OptionError} for a text that is too short, or models that do not fit together @throws the errors of `load`
 */
export async function tune(source: string, model: string, output: string, options: TuneOptions): Promise<TuneResult> {
  const started = performance.now();
  const { train = 'scales', steps = 200, batch = BATCH, learningRate = 0.002, seed = 1, signal, onProgress } = options;
  const opened = [await openCheckpoint(source, options)];
  const programs: Program[] = [];
  try {
    for (const path of [model, options.original ?? source]) opened.push(await openCheckpoint(path, options));
    const [from, to, original] = opened.map(inGgufTerms) as [Checkpoint, Checkpoint, Checkpoint];
    if (train === 'weights') refuseOtherOriginal(original, to);
    const windows = tuningWindows(to, options);
    const teacher = await Teacher.create(from, windows, batch, options);
    programs.push(teacher.program);
    const student = await Student.create(to, windows, batch, options, (tensor) =>
      trainedTensor(tensor, original, options),
    );
    programs.push(student.program);
    if (teacher.vocabulary !== student.vocabulary)
      throw new OptionError(
        `the vocabulary of ${from.name}`,
        teacher.vocabulary,
        `${student.vocabulary}, like that of ${to.name}`,
      );
    const held = Array.from({ length: HELD_OUT }, (_, i) => windows.count - 1 - i);
    const judge = async () => {
      let sum = 0;
      for (let i = 0; i < held.length; i += batch) {
        const part = held.slice(i, i + batch);
        sum += (await student.loss(part, await teacher.logits(part))) * part.length;
      }
      return sum / held.length;
    };
    const before = await judge();
    const refuseNaN = async (loss: number, step: number) => {
      if (Number.isFinite(loss)) return;
      for (const checkpoint of [from, to])
        for (const tensor of checkpoint.tensors.values()) await finiteValues(checkpoint, tensor);
      const advice = step === 0 ? 'a model overflows on this text' : 'lower the learning rate';
      throw new EspalierError('TRAINING_DIVERGED', `the loss is ${loss} at step ${step}; ${advice}`, { step });
    };
    await refuseNaN(before, 0);
    const random = seededRandom(seed);
    for (let step = 0; step < steps; step++) {
      signal?.throwIfAborted();
      const chosen = Array.from({ length: batch }, () => random.integer(windows.count - HELD_OUT));
      const rate = learningRate * 0.5 * (1 + Math.cos((Math.PI * step) / steps));
      const loss = await student.update(chosen, await teacher.logits(chosen), rate);
      await refuseNaN(loss, step);
      onProgress?.({
        stage: 'tune',
        done: step + 1,
        total: steps,
        unit: 'pieces',
        item: `divergence ${loss.toPrecision(3)}`,
      });
    }
    await student.round();
    const end = await judge();
    const isImproved = end < before;
    const metadata = [...to.metadata] as [string, GgufValue][];
    const tensors = [...to.tensors.values()].map((tensor) => ({
      name: tensor.name,
      shape: tensor.shape,
      format: tensor.format,
      async data() {
        return (isImproved && student.bytes(tensor.name)) || readTensor(tensor);
      },
    }));
    await writeFile(output, { metadata, tensors }, { signal });
    const tokens = steps * batch * windows.size;
    const untrained = [...to.tensors.values()]
      .filter(({ name, format }) => isSearched(format) && !student.isTrained(name))
      .map(({ name }) => name);
    const seconds = (performance.now() - started) / 1000;
    return { steps, tokens, before, after: end, isImproved, untrained, seconds };
  } finally {
    for (const program of programs) program.dispose();
    for (const checkpoint of opened) await checkpoint.close();
  }
}

async function trainedTensor(
  tensor: CheckpointTensor,
  original: Checkpoint,
  { train = 'scales', keepZeros }: TuneOptions,
): Promise<TrainedTensor | undefined> {
  const { name, format, shape, byteLength } = tensor;
  if (format.name === 'F32' && shape.length === 1) return new TrainedVector(name, format, await tensorValues(tensor));
  // codebook formats stay as they are
  if (!isSearched(format) || !format.grid) return undefined;
  const bytes = new Uint8Array(byteLength);
  await tensor.read(0, bytes);
  const own = format as GridFormat;
  if (train === 'scales') return new TrainedScales(name, own, bytes);
  const values = await tensorValues(original.tensors.get(name)!);
  return new TrainedWeights(name, own, blockParts(own, bytes), values, keepZeros);
}

/** @throws {OptionError} if the tensors of a model and its original differ in names or shapes */
function refuseOtherOriginal(original: Checkpoint, { name: model, tensors }: Checkpoint): void {
  for (const name of new Set([...tensors.keys(), ...original.tensors.keys()])) {
    const [found, expected] = [original, { tensors }].map(
      (each) => each.tensors.get(name)?.shape.join(' × ') ?? 'absent',
    );
    if (found === expected) continue;
    const what = `tensor ${name} of ${original.name}`;
    throw new OptionError(what, found, `${expected} as in ${model}; original is the file that this was quantized from`);
  }
}

/** Cuts the text of a training. @throws {OptionError} if it is too short @throws {EspalierError} NO_TOKENIZER */
export function tuningWindows(
  { tokenizer, name, metadata }: Checkpoint,
  { text, window, batch = BATCH }: Pick<TuneOptions, 'text' | 'window' | 'batch'>,
): Windows {
  if (!tokenizer) throw new EspalierError('NO_TOKENIZER', `${name}: the model has no tokenizer, so it cannot be tuned`);
  const trained = metadata.get(`${String(metadata.get('general.architecture'))}.context_length`);
  const size = Math.min(window ?? 256, typeof trained === 'number' ? trained : 2048);
  const vocabulary = tokenizer.tokens.length;
  const windows = calibrationWindows(text, createTokenizer(tokenizer), { size, count: 1_000_000, vocabulary });
  if (windows.count >= HELD_OUT + batch) return windows;
  throw new OptionError(
    'the text',
    `${windows.count} windows of ${size} tokens long`,
    `at least ${HELD_OUT + batch} of them`,
  );
}

function tokensOf({ tokens, size }: Windows, chosen: readonly number[]): Int32Array {
  const all = new Int32Array(chosen.length * size);
  for (const [i, window] of chosen.entries()) all.set(tokens.subarray(window * size, (window + 1) * size), i * size);
  return all;
}

const allRows = (count: number): Int32Array => Int32Array.from({ length: count }, (_, row) => row);

async function compile(
  graph: Program['graph'],
  model: ReturnType<typeof buildModel>,
  size: number,
  batch: number,
  { threads, backend, signal }: TuneOptions,
) {
  const limits = { maxTokens: size * batch, maxRows: size * batch, context: size };
  return backendByName(backend).compile(graph, {
    ...limits,
    weights: weightStore(model),
    settings: { threads },
    signal,
  });
}

class Teacher {
  readonly program: Program;
  readonly vocabulary: number;
  readonly #windows: Windows;

  private constructor(program: Program, windows: Windows) {
    this.program = program;
    this.vocabulary = program.graph.outputs.get('logits')!.shape[1];
    this.#windows = windows;
  }

  static async create(checkpoint: Checkpoint, windows: Windows, batch: number, options: TuneOptions): Promise<Teacher> {
    const model = buildModel(dequantized(checkpoint), windows.size);
    return new Teacher(await compile(model.graph, model, windows.size, batch, options), windows);
  }

  /** Logits of all tokens, [tokens, V]. */
  logits(chosen: readonly number[]): Promise<Float32Array> {
    const tokens = tokensOf(this.#windows, chosen);
    const rows = allRows(tokens.length);
    return this.program.run({ tokens, sequence: this.#windows.size, rows, outputs: ['logits'] }).output('logits');
  }
}

class Student {
  readonly program: Program;
  readonly vocabulary: number;
  readonly #windows: Windows;
  readonly #trained: readonly TrainedTensor[];

  private constructor(program: Program, vocabulary: number, windows: Windows, trained: readonly TrainedTensor[]) {
    this.program = program;
    this.vocabulary = vocabulary;
    this.#windows = windows;
    this.#trained = trained;
  }

  /** @param trainedOf returns the parameters of a tensor; undefined: it stays as it is */
  static async create(
    checkpoint: Checkpoint,
    windows: Windows,
    batch: number,
    options: TuneOptions,
    trainedOf: (tensor: CheckpointTensor) => Promise<TrainedTensor | undefined>,
  ): Promise<Student> {
    const model = buildModel(dequantized(checkpoint), windows.size);
    const { graph } = model;
    const logits = graph.outputs.get('logits')!;
    const [, vocabulary] = logits.shape;
    const teacher = input(graph, NAMES.teacher, 'R', vocabulary, 'f32');
    const divergence = klDivergence(logits, teacher, { temperature: 1, reverse: 0 });
    const loss = weightedSum(divergence, input(graph, NAMES.weights, 'R', 1, 'f32'), NAMES.loss);
    const trained: TrainedTensor[] = [];
    const weights: Value[] = [];
    for (const weight of trainableWeights(loss)) {
      const tensor = checkpoint.tensors.get(weight.attributes.tensor);
      const found = tensor && (await trainedOf(tensor));
      if (!found) continue;
      trained.push(found);
      weights.push(weight);
    }
    const accumulators = new Map(
      weights.map((weight, i) => [
        weight,
        state(graph, gradientOf(trained[i].name), Number(weight.shape[0]), weight.shape[1]),
      ]),
    );
    const checkpointed = ({ label }: Value) => !label.startsWith('blk.') || label.endsWith('_residual');
    const sums = gradients(loss, weights, { accumulators, checkpoint: checkpointed });
    graph.outputs.clear();
    graph.outputs.set(NAMES.loss, loss);
    graph.outputs.set(NAMES.update, after(loss, [...sums.values()], NAMES.update));
    const program = await compile(graph, model, windows.size, batch, options);
    return new Student(program, vocabulary, windows, trained);
  }

  /** Mean divergence per token. */
  async loss(chosen: readonly number[], teacher: Float32Array): Promise<number> {
    return (await this.#run(chosen, teacher, NAMES.loss))[0];
  }

  /** Updates all parameters once. @returns the loss before */
  async update(chosen: readonly number[], teacher: Float32Array, rate: number): Promise<number> {
    const [loss] = await this.#run(chosen, teacher, NAMES.update);
    for (const tensor of this.#trained) {
      const gradient = await this.program.readTensor(gradientOf(tensor.name));
      tensor.update(gradient, rate);
      await this.program.writeTensor(tensor.name, tensor.elements());
      await this.program.writeTensor(gradientOf(tensor.name), gradient.fill(0));
    }
    return loss;
  }

  /** Rounds all tensors as the file does. */
  async round(): Promise<void> {
    for (const tensor of this.#trained) {
      const { format } = tensor;
      const bytes = tensor.bytes();
      const elements = new Float32Array((bytes.length / format.blockBytes) * format.blockSize);
      format.decode(bytes, 0, elements, 0, bytes.length / format.blockBytes);
      await this.program.writeTensor(tensor.name, elements);
    }
  }

  isTrained(tensor: string): boolean {
    return this.#trained.some(({ name }) => name === tensor);
  }

  /** The bytes of a tensor after training; undefined if it was not trained. */
  bytes(tensor: string): Uint8Array | undefined {
    return this.#trained.find(({ name }) => name === tensor)?.bytes();
  }

  #run(chosen: readonly number[], teacher: Float32Array, output: string): Promise<Float32Array> {
    const tokens = tokensOf(this.#windows, chosen);
    const weights = new Float32Array(tokens.length).fill(1 / tokens.length);
    const inputs = { [NAMES.teacher]: teacher, [NAMES.weights]: weights };
    const step = { tokens, sequence: this.#windows.size, rows: allRows(tokens.length), outputs: [output], inputs };
    return this.program.run(step).output(output);
  }
}

const gradientOf = (tensor: string): string => `gradient/${tensor}`;
