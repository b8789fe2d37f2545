/** Quantizes a model: reads it tensor by tensor, solves for the blocks of each, and writes a GGUF file that llama.cpp loads. */
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { EspalierError, FormatError, OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { type GgufValue, writeGguf } from '../formats/gguf/write.ts';
import { type CheckpointSource, openCheckpoint } from '../formats/open.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { buildModel } from '../models/buildModel.ts';
import { dequantized } from '../models/dequantized.ts';
import { inGgufTerms } from '../models/inGgufTerms.ts';
import { weightStore } from '../models/weightStore.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { calibrationWindows, type Windows } from './calibrationText.ts';
import { fileTypeByName } from './fileTypes.ts';
import { type ImportanceMatrix, readImatrix } from './imatrix.ts';
import { mixture } from './mixture.ts';
import { type Method, type Solved, Solver } from './solver.ts';
import { type Stage, stagesOf } from './stages.ts';
import { type Activations, forget, StageRun, type Statistic } from './statistic.ts';

export interface CalibrationOptions {
  /** The text itself. */
  readonly text: string;
  /** Tokens per window. Default: 512, at most the trained context. */
  readonly window?: number;
  /** Maximum number of windows. Default: 128. */
  readonly windows?: number;
}

export interface QuantizeOptions {
  /** Type of the file by llama.cpp's name, e.g. 'Q4_K_M'. */
  readonly type: string;
  /** Measures what the model's matrices see in a text, and compensates rounding errors by it (OBS). */
  readonly calibration?: CalibrationOptions;
  /** Path of an importance matrix (GGUF) of llama-imatrix or `espalier imatrix`. */
  readonly imatrix?: string;
  /** Formats of tensors whose names match a regular expression; the first match counts. */
  readonly tensorTypes?: readonly (readonly [pattern: string, format: string])[];
  readonly outputTensorType?: string;
  readonly tokenEmbeddingType?: string;
  /** Uses one format for all matrices, not llama.cpp's mixture. */
  readonly pure?: boolean;
  /** Accepts a source that is quantized already. */
  readonly allowRequantize?: boolean;
  /** Returns the plan and its bytes without writing a file. */
  readonly dryRun?: boolean;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
  /** Progress with stage 'quantize' and the tensor as item. */
  readonly onProgress?: OnProgress;
}

export interface QuantizedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Format in the source. */
  readonly from: string;
  readonly format: string;
  readonly bytes: number;
  /** How it was quantized. In a dry run: undefined. */
  readonly method?: Method;
  /** Relative error of its outputs on held-out data, by method. */
  readonly errors?: Solved['errors'];
  readonly notes?: readonly string[];
}

export interface QuantizeResult {
  readonly type: string;
  readonly tensors: readonly QuantizedTensor[];
  /** Bytes of all tensors. */
  readonly bytes: number;
  /** Bits per weight, of all tensors. */
  readonly bitsPerWeight: number;
  /** Memory that calibration and solving need at most, in bytes (estimated). */
  readonly memoryBytes: number;
  readonly seconds: number;
}

/** Version of the quantized blocks' scales (GGML_QNT_VERSION in llama.cpp). */
const QUANTIZATION_VERSION = 2;

/** A tensor and what becomes of it. */
interface Planned {
  readonly tensor: CheckpointTensor;
  readonly format: BlockFormat;
  /** Index of the stage that quantizes it. */
  readonly stage: number;
}

/**
 * @param source a GGUF file or a Hugging Face folder, in F32, F16 or BF16
 * @param output path of the GGUF file; it is complete or not there
 * @throws {OptionError} for a text that is too short, a format that does not fit @throws {UnsupportedError}
 * @throws {FormatError} for a broken file or a weight that is not a finite number @throws {SourceError} e.g. if the disk is full
 */
export async function quantize(
  source: CheckpointSource,
  output: string,
  options: QuantizeOptions,
): Promise<QuantizeResult> {
  const started = performance.now();
  if (options.calibration && options.imatrix !== undefined)
    throw new OptionError('imatrix', options.imatrix, 'no value beside a calibration text: use one of them');
  if (source === output) throw new OptionError('the output', output, 'another file than the source');
  const opened = await openCheckpoint(source, options);
  try {
    const checkpoint = inGgufTerms(opened);
    const importance = options.imatrix === undefined ? undefined : await readImatrix(options.imatrix);
    const calibration = options.calibration && (await prepareCalibration(checkpoint, options.calibration));
    const plan = planOf(checkpoint, options, calibration);
    const bytes = plan.reduce((sum, planned) => sum + bytesAfter(planned), 0);
    const elements = plan.reduce((sum, { tensor }) => sum + elementsOf(tensor), 0);
    const memoryBytes = memoryOf(plan, calibration);
    const report = new Map<string, QuantizedTensor>(
      plan.map((planned) => [
        planned.tensor.name,
        {
          name: planned.tensor.name,
          shape: planned.tensor.shape,
          from: planned.tensor.format.name,
          format: planned.format.name,
          bytes: bytesAfter(planned),
        },
      ]),
    );
    const type = fileTypeByName(options.type);
    if (!options.dryRun) {
      const work = solvedTensors(plan, { checkpoint, calibration, importance, bytes, options });
      const tensors = plan.map(({ tensor: { name, shape }, format }) => ({
        name,
        shape,
        format,
        async data() {
          const { value } = await work.next();
          const solved = value as NamedSolution;
          if (solved.name !== name) throw new EspalierError('BUG', `expected ${name}, got ${solved.name}`);
          const { method, errors, notes } = solved;
          report.set(name, { ...report.get(name)!, method, errors, notes });
          return solved.bytes;
        },
      }));
      const [folder, file] = splitPath(output);
      const metadata = metadataOf(checkpoint, type.id);
      try {
        await checkpointFolder(folder).replace(file, (sink) => writeGguf(sink, { metadata, tensors }, options));
      } finally {
        await work.return(undefined);
      }
      await opened.finish?.(options.signal);
    }
    return {
      type: type.name,
      tensors: [...report.values()],
      bytes,
      bitsPerWeight: (8 * bytes) / elements,
      memoryBytes,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    await opened.close();
  }
}

function splitPath(path: string): [folder: string, file: string] {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  return at < 0 ? ['.', path] : [path.slice(0, at) || '/', path.slice(at + 1)];
}

function metadataOf({ metadata }: Checkpoint, fileType: number): [string, GgufValue][] {
  const outdated = /^(general\.(file_type|quantization_version)|split\.|quantize\.)/;
  return [
    ...([...metadata].filter(([key]) => !outdated.test(key)) as [string, GgufValue][]),
    ['general.file_type', fileType],
    ['general.quantization_version', QUANTIZATION_VERSION],
  ];
}

/** What calibration needs. */
export interface Calibration {
  readonly windows: Windows;
  readonly stages: readonly Stage[];
  readonly weights: ReturnType<typeof weightStore>;
}

/** @throws {OptionError} for a text that is too short @throws {EspalierError} NO_TOKENIZER */
export async function prepareCalibration(
  checkpoint: Checkpoint,
  { text, window, windows: count = 128 }: CalibrationOptions,
): Promise<Calibration> {
  const { tokenizer: spec, name } = checkpoint;
  if (!spec) throw new EspalierError('NO_TOKENIZER', `${name}: the model has no tokenizer, so it cannot be calibrated`);
  const model = buildModel(dequantized(checkpoint));
  const logits = model.graph.outputs.get('logits');
  if (!logits) throw new OptionError('calibration', 'a text', `no value, because ${name} does not predict tokens`);
  const size = Math.min(window ?? 512, model.trainedContext);
  const windows = calibrationWindows(text, createTokenizer(spec), { size, count, vocabulary: logits.shape[1] });
  return { windows, stages: stagesOf(model.graph, name), weights: weightStore(model) };
}

/** Tensors in the order in which they are quantized and written: stage by stage. */
function planOf(checkpoint: Checkpoint, options: QuantizeOptions, calibration: Calibration | undefined): Planned[] {
  const tensors = [...checkpoint.tensors.values()];
  const architecture = String(checkpoint.metadata.get('general.architecture'));
  const count = (key: string, otherwise: number) => {
    const value = checkpoint.metadata.get(`${architecture}.${key}`);
    return typeof value === 'number' ? value : otherwise;
  };
  const heads = count('attention.head_count', 1);
  const format = (name: string | undefined) => (name === undefined ? undefined : formatByName(name.toUpperCase()));
  const formats = mixture(tensors, {
    type: fileTypeByName(options.type),
    architecture,
    layers: count('block_count', 0),
    queryGroups: Math.max(1, Math.floor(heads / count('attention.head_count_kv', heads))),
    experts: count('expert_count', 0),
    hasImportance: options.calibration !== undefined || options.imatrix !== undefined,
    tensorTypes: options.tensorTypes?.map(([pattern, name]) => [patternOf(pattern), formatByName(name.toUpperCase())]),
    outputTensorType: format(options.outputTensorType),
    tokenEmbeddingType: format(options.tokenEmbeddingType),
    pure: options.pure,
  });
  refuseRequantizing(checkpoint, formats, options);
  const stageOf = new Map(
    calibration?.stages.flatMap(({ products }, stage) =>
      products.map(({ weight }) => [weight.attributes.tensor, stage]),
    ),
  );
  const last = calibration ? calibration.stages.length - 1 : 0;
  const otherStage = (name: string): number => {
    const block = /^blk\.(\d+)\./.exec(name)?.[1];
    return Math.min(last, block === undefined ? 0 : Number(block) + 1);
  };
  return tensors
    .map((tensor) => ({
      tensor,
      format: formats.get(tensor.name)!,
      stage: stageOf.get(tensor.name) ?? otherStage(tensor.name),
    }))
    .sort((a, b) => a.stage - b.stage);
}

function patternOf(pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch {
    throw new OptionError('tensorTypes', pattern, 'a valid regular expression');
  }
}

function refuseRequantizing(
  { name, tensors }: Checkpoint,
  formats: ReadonlyMap<string, BlockFormat>,
  { allowRequantize }: QuantizeOptions,
): void {
  if (allowRequantize) return;
  for (const tensor of tensors.values()) {
    const isPlain = ['F32', 'F16', 'BF16'].includes(tensor.format.name);
    if (isPlain || formats.get(tensor.name) === tensor.format) continue;
    const advice = 'quantizing it again loses more than quantizing the original; allow it with allowRequantize';
    throw new OptionError(`${name}: tensor ${tensor.name}`, tensor.format.name, `F32, F16 or BF16: ${advice}`);
  }
}

const elementsOf = ({ byteLength, format }: CheckpointTensor): number =>
  (byteLength / format.blockBytes) * format.blockSize;

const bytesAfter = ({ tensor, format }: Planned): number => bytesOf(format, elementsOf(tensor));

/** Largest stage in F32, with the Gram matrices, the factors, and the activations of the calibration text. */
function memoryOf(plan: readonly Planned[], calibration: Calibration | undefined): number {
  const largest = plan.reduce((most, { tensor }) => Math.max(most, 4 * elementsOf(tensor)), 0);
  if (!calibration) return 3 * largest;
  const { windows, stages } = calibration;
  const tokens = windows.count * windows.size;
  const sizes = stages.map(({ products, inputs, outputs }, stage) => {
    const weights = plan
      .filter((each) => each.stage === stage)
      .reduce((sum, { tensor }) => sum + 4 * elementsOf(tensor), 0);
    const grams = [...new Set(products.map(({ x }) => x))].map(({ shape }) => 4 * shape[1] ** 2);
    const widths = [...inputs.values(), ...outputs.values()].reduce((sum, width) => sum + width, 0);
    const solving = 4 * Math.max(0, ...grams);
    return 2 * weights + 4 * grams.reduce((sum, size) => sum + size, 0) + solving + 4 * tokens * widths;
  });
  return Math.max(...sizes) + 2 * largest;
}

interface NamedSolution extends Solved {
  readonly name: string;
}

interface Work {
  readonly checkpoint: Checkpoint;
  readonly calibration?: Calibration;
  readonly importance?: ImportanceMatrix;
  /** Bytes of all tensors, for progress. */
  readonly bytes: number;
  readonly options: QuantizeOptions;
}

/** Quantizes the tensors in the plan's order, stage by stage: later stages are calibrated behind the quantized earlier ones. */
async function* solvedTensors(plan: readonly Planned[], work: Work): AsyncGenerator<NamedSolution, void> {
  const { checkpoint, calibration, options, bytes } = work;
  const { signal, onProgress } = options;
  const solver = await Solver.create();
  const activations: Activations = new Map();
  let done = 0;
  const stages = calibration ? [...calibration.stages.keys()] : [0];
  for (const stage of stages) {
    const own = plan.filter((planned) => planned.stage === stage);
    const wanted = new Map(own.filter(isSolved).map((planned) => [planned.tensor.name, planned]));
    const solved = new Map<string, Solved>();
    if (calibration) {
      const [now, ...later] = calibration.stages.slice(stage);
      const { windows, weights } = calibration;
      const { threads, backend } = options;
      const run = await StageRun.compile(now!, (name) => wanted.has(name), {
        weights,
        windows,
        threads,
        backend,
        signal,
      });
      try {
        for (const statistic of await run.measure(activations)) {
          checkStatistic(checkpoint, statistic);
          for (const name of statistic.tensors) {
            signal?.throwIfAborted();
            onProgress?.({ stage: 'quantize', done, total: bytes, unit: 'bytes', item: name });
            const { tensor, format } = wanted.get(name)!;
            const values = await finiteValues(checkpoint, tensor);
            const solution = solver.quantize(values, tensor.shape.at(-1)!, format, { statistic });
            solved.set(name, solution);
            format.decode(solution.bytes, 0, values, 0, solution.bytes.length / format.blockBytes);
            if (later.length > 0) await run.replace(name, values);
          }
        }
        await run.advance(activations);
        forget(activations, later);
      } finally {
        run.dispose();
      }
    }
    for (const planned of own) {
      signal?.throwIfAborted();
      const { name } = planned.tensor;
      const solution = solved.get(name) ?? (await withoutStatistic(planned, solver, work));
      done += solution.bytes.length;
      onProgress?.({ stage: 'quantize', done, total: bytes, unit: 'bytes', item: name });
      yield { name, ...solution };
    }
  }
}

/** True for tensors whose format is searched with a statistic. */
const isSolved = ({ tensor, format }: Planned): boolean => tensor.format !== format && format.grid !== undefined;

async function withoutStatistic(
  { tensor, format }: Planned,
  solver: Solver,
  { checkpoint, importance }: Work,
): Promise<Solved> {
  if (format === tensor.format) {
    const bytes = new Uint8Array(tensor.byteLength);
    await tensor.read(0, bytes);
    return { bytes, method: 'copied', errors: {}, notes: [] };
  }
  const values = await finiteValues(checkpoint, tensor);
  const columns = tensor.shape.at(-1)!;
  const squares = importance?.entries.get(tensor.name)?.squares;
  if (squares && squares.length !== columns) {
    const problem = `tensor ${tensor.name} has ${columns} columns but the importance matrix has ${squares.length}: it is of another model`;
    throw new FormatError(checkpoint.name, problem, { tensor: tensor.name, expected: columns, found: squares.length });
  }
  return solver.quantize(values, columns, format, { importance: squares });
}

/** Reads a tensor. @throws {FormatError} if an element is not a finite number */
async function finiteValues({ name: file }: Checkpoint, tensor: CheckpointTensor): Promise<Float32Array> {
  const values = await tensorValues(tensor);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong < 0) return values;
  const columns = tensor.shape.at(-1)!;
  const place = `row ${Math.floor(wrong / columns)}, column ${wrong % columns}`;
  const problem = `tensor ${tensor.name} has ${values[wrong]} in ${place}, expected finite numbers`;
  throw new FormatError(file, problem, { tensor: tensor.name, index: wrong, found: String(values[wrong]) });
}

/** @throws {EspalierError} if the statistic is not finite: the model overflows on this text */
function checkStatistic({ name }: Checkpoint, { gram, heldOut, tensors }: Statistic): void {
  if ([gram, heldOut].every((matrix) => matrix.every(Number.isFinite))) return;
  const message = `${name}: the inputs of ${tensors[0]} are not finite in the calibration text`;
  throw new EspalierError('BAD_CALIBRATION', message, { tensor: tensors[0] });
}
