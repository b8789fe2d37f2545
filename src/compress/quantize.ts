/** Quantizes a model: reads it tensor by tensor, solves for the blocks of each, and writes a GGUF file that llama.cpp loads. */
import { FormatError, OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { GgufValue } from '../formats/gguf/write.ts';
import { type CheckpointSource, openCheckpoint } from '../formats/open.ts';
import { inGgufTerms } from '../models/inGgufTerms.ts';
import { lowPlane, plainProducts, REACH, refuseNestedBits } from '../models/nestedBits.ts';
import { I8 } from '../tensor/quant/i8.ts';
import { type Allocated, budgetOf, formatsInBudget } from './budget.ts';
import { type CalibrationOptions, prepareCalibration } from './calibration.ts';
import type { DecodeMeter, DecodePrediction } from './decodeCosts.ts';
import { budgetMemoryOf, budgetSecondsOf, memoryOf, secondsOf } from './estimate.ts';
import { type FileType, fileTypeByName, fileTypes } from './fileTypes.ts';
import { formatReason } from './formatReason.ts';
import { type ImportanceMatrix, readImatrix } from './imatrix.ts';
import type { InputQuantiles } from './inputQuantiles.ts';
import { bytesAfter, elementsOf, formatsOf, type Planned, planOf, withLowPlanes } from './plan.ts';
import { keyOf, SolvedStore } from './solvedStore.ts';
import { solvedTensors, type Treatment } from './solvedTensors.ts';
import { isSearched, type Method, type Solved, Solver } from './solver.ts';
import { enoughWindows } from './statistic.ts';
import { nextSolution, writeSolved } from './writeSolved.ts';

export interface QuantizeOptions {
  /** Type of the file by llama.cpp's name, e.g. 'Q4_K_M'. Not together with a budget. */
  readonly type?: string;
  /**
   * A budget instead of a type; needs `calibration`. The formats that lose least are chosen, by measuring what each matrix loses in
   * each format. Formats that other options name are kept. Average bits per weight of all tensors,
   */
  readonly targetBits?: number;
  /** bytes of the whole file, */
  readonly maxBytes?: number;
  /** or the bytes that a type's mixture would take, e.g. 'Q4_K_M'. */
  readonly like?: string;
  /**
   * A limit instead of a type: predicted milliseconds of a token; needs `calibration` and `meter`. `decodeMeter()` predicts the token after
   * 256 others, with `threads`, or the fastest number of threads. The formats that lose least are chosen, by the meter's cost of each
   * matrix in each format.
   */
  readonly maxMs?: number;
  /**
   * The same in joules. On this device the energy is modelled, not measured: its bounds, in the result, are a factor of 20 apart. Refused if
   * a device's file does not tell the energy.
   */
  readonly maxJoules?: number;
  /** With `maxMs` and `maxJoules`: tells the cost of a token. `decodeMeter()` of `espalier/search` measures this device, a few seconds per format. */
  readonly meter?: DecodeMeter;
  /** With `maxMs` and `maxJoules`: path of a JSON file that describes the device, whose memory must hold the model. Default: this device. */
  readonly device?: string;
  /** With a budget: generations of the evolution that follows, on the true divergence of whole models. Default: 12; 0: none. */
  readonly generations?: number;
  /**
   * Measures what the model's matrices see in a text, and compensates rounding errors by it (OBS). Takes minutes; a run that is
   * interrupted continues when it is started again, from files beside the output.
   */
  readonly calibration?: CalibrationOptions;
  /** Path of an importance matrix (GGUF) of llama-imatrix or `espalier imatrix`. */
  readonly imatrix?: string;
  /** Formats of tensors whose names match a regular expression; the first match counts. */
  readonly tensorTypes?: readonly (readonly [pattern: string, format: string])[];
  readonly outputTensorType?: string;
  readonly tokenEmbeddingType?: string;
  /** Uses one format for all matrices, not llama.cpp's mixture. */
  readonly pure?: boolean;
  /**
   * Nested bits: one file that is read at 4 bits or at 8, and takes the bytes of Q8_0. Each matrix has a plane in Q4_0, solved as usual, and a
   * low plane that refines it. Needs the type Q4_0. Espalier loads such files (`load(source, { bits: 4 })`), llama.cpp does not.
   */
  readonly nested?: boolean;
  /**
   * Keeps the weights of a block's matrices that are 0 at 0, for pruned models. Needs a type whose formats have an exact zero, e.g. Q4_0
   * with `pure`; not together with a budget or nested bits.
   */
  readonly keepZeros?: boolean;
  /** Accepts a source that is quantized already. */
  readonly allowRequantize?: boolean;
  /** Returns the plan and its bytes without writing a file. The formats in a budget are then guessed, because they are not measured. */
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
  /** Reason of the format. */
  readonly reason: string;
  /** True if it has a low plane, too (nested bits); `bytes` contains it. */
  readonly hasLowPlane?: boolean;
  /** The way it was quantized. In a dry run: undefined. */
  readonly method?: Method;
  /** Relative error of its outputs on held-out data, by method. */
  readonly errors?: Solved['errors'];
  readonly notes?: readonly string[];
  /** Quantiles of its input in the calibration text, and the channels that stand out. */
  readonly input?: InputQuantiles;
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
  /** Time, in a dry run as a rough estimate. */
  readonly seconds: number;
  /** With a limit on time or energy: the predicted cost of a token, and the limit. */
  readonly decode?: DecodePrediction;
}

/** Version of the quantized blocks' scales (GGML_QNT_VERSION in llama.cpp). */
const QUANTIZATION_VERSION = 2;

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
  if (options.nested && fileTypeByName(options.type ?? 'F32').name !== 'Q4_0')
    throw new OptionError(
      'type',
      options.type ?? 'a budget',
      'Q4_0 with nested bits, whose high planes are in that format',
    );
  if (options.keepZeros && (options.nested || options.type === undefined))
    throw new OptionError('keepZeros', true, 'false, or a type without nested bits');
  const opened = await openCheckpoint(source, options);
  try {
    const checkpoint = inGgufTerms(opened);
    refuseNestedBits(checkpoint);
    const importance = options.imatrix === undefined ? undefined : await readImatrix(options.imatrix);
    const calibration = options.calibration && enoughWindows(await prepareCalibration(checkpoint, options.calibration));
    const budget = budgetOf(options);
    const { formats, candidates, decode }: Allocated = budget
      ? await formatsInBudget(checkpoint, budget, output, options, calibration)
      : { formats: formatsOf(checkpoint, options.type!, options), candidates: [] };
    const whole = planOf(checkpoint, formats, options, calibration);
    const plan = options.nested ? withLowPlanes(whole, plainProducts(checkpoint)) : whole;
    if (importance) refuseOtherImatrix(importance, options.imatrix!, checkpoint);
    const bytes = plan.reduce((sum, planned) => sum + bytesAfter(planned), 0);
    const elements = plan.reduce((sum, { tensor }) => sum + elementsOf(tensor), 0);
    const memoryBytes = Math.max(memoryOf(plan, calibration), budget ? budgetMemoryOf(plan) : 0);
    const report = new Map<string, QuantizedTensor>(
      plan.map((planned) => [
        planned.tensor.name,
        {
          name: planned.tensor.name,
          shape: planned.tensor.shape,
          from: planned.tensor.format.name,
          format: planned.format.name,
          ...(planned.hasLowPlane && { hasLowPlane: true }),
          bytes: bytesAfter(planned),
          reason: formatReason(planned, options, !checkpoint.tensors.has('output.weight')),
        },
      ]),
    );
    const type = budget ? commonType(plan) : fileTypeByName(options.type!);
    if (!options.dryRun) {
      const settings = plan.map(({ tensor, format, ...rest }) => [tensor.name, format.name, rest]);
      const store =
        calibration && (await SolvedStore.open(output, await keyOf(checkpoint, settings, calibration.windows)));
      const solver = await Solver.create(options.threads);
      const treatment: Treatment = {
        isTreated: ({ tensor, format }) => tensor.format !== format && isSearched(format),
        treat(values, columns, { format, hasLowPlane, keepsZeros }, knowledge) {
          const limits = { reach: hasLowPlane ? REACH : undefined, keepsZeros };
          const solved = solver.quantize(values, columns, format, knowledge, limits);
          return hasLowPlane ? { ...solved, low: solver.refine(values, columns, solved.bytes, knowledge) } : solved;
        },
        // both planes are made from the values
        treatStored: async ({ tensor, format, hasLowPlane }, importance) =>
          hasLowPlane ? undefined : solver.quantizeStored(tensor, format, importance, options.signal),
      };
      const work = solvedTensors(plan, {
        stage: 'quantize',
        treatment,
        checkpoint,
        calibration,
        importance,
        bytes,
        options,
        store,
      });
      /** Low plane of the last tensor, which is written behind it. */
      let low: Uint8Array | undefined;
      const tensors = plan.flatMap(({ tensor: { name, shape }, format, hasLowPlane }) => {
        const tensor = {
          name,
          shape,
          format,
          async data() {
            const solved = await nextSolution(work, name);
            const { method, errors, notes, input } = solved;
            report.set(name, { ...report.get(name)!, method, errors, notes, ...(input && { input }) });
            low = solved.low;
            return solved.bytes;
          },
        };
        if (!hasLowPlane) return [tensor];
        const half = [...shape.slice(0, -1), shape.at(-1)! / 2];
        return [tensor, { name: lowPlane(name), shape: half, format: I8, data: async () => low! }];
      });
      const metadata = metadataOf(checkpoint, type.id);
      try {
        await writeSolved(output, { metadata, tensors }, work, options);
      } finally {
        solver.dispose();
      }
      await opened.finish?.(options.signal);
    }
    const searching = budget && calibration ? budgetSecondsOf(candidates, calibration, options.generations) : 0;
    const seconds = secondsOf(plan, calibration) + searching;
    return {
      type: type.name,
      tensors: [...report.values()],
      bytes,
      bitsPerWeight: (8 * bytes) / elements,
      memoryBytes,
      seconds: options.dryRun ? seconds : (performance.now() - started) / 1000,
      ...(decode && { decode }),
    };
  } finally {
    await opened.close();
  }
}

/** @throws {FormatError} if an importance matrix has no entry for any tensor of a model */
function refuseOtherImatrix({ entries }: ImportanceMatrix, file: string, { name, tensors }: Checkpoint): void {
  if ([...entries.keys()].some((tensor) => tensors.has(tensor))) return;
  const [found = 'nothing'] = entries.keys();
  const problem = `has no entry for any tensor of ${name}, but for ${found} …: use an importance matrix of this model`;
  throw new FormatError(file, problem, { found: [...entries.keys()] });
}

function metadataOf({ metadata }: Checkpoint, fileType: number): [string, GgufValue][] {
  const outdated = /^(general\.(file_type|quantization_version)|split\.|quantize\.)/;
  return [
    ...([...metadata].filter(([key]) => !outdated.test(key)) as [string, GgufValue][]),
    ['general.file_type', fileType],
    ['general.quantization_version', QUANTIZATION_VERSION],
  ];
}

/** The type whose format takes most bytes. */
function commonType(plan: readonly Planned[]): FileType {
  const bytes = new Map<string, number>();
  for (const planned of plan)
    bytes.set(planned.format.name, (bytes.get(planned.format.name) ?? 0) + bytesAfter(planned));
  const [most] = [...bytes].sort((a, b) => b[1] - a[1])[0];
  return fileTypes.findLast(({ format }) => format === most) ?? fileTypeByName('F32');
}
