/** Prunes the matrices of a model's blocks: sets weights to zero and writes a GGUF file in the source's float format. */
import { OptionError, UnsupportedError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import type { Checkpoint } from '../../formats/checkpoint.ts';
import type { GgufValue } from '../../formats/gguf/write.ts';
import { type CheckpointSource, openCheckpoint } from '../../formats/open.ts';
import { inGgufTerms } from '../../models/inGgufTerms.ts';
import { refuseNestedBits } from '../../models/nestedBits.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import { type CalibrationOptions, prepareCalibration } from '../calibration.ts';
import { encode } from '../encodeRows.ts';
import { isQuantizable, keptFormat } from '../mixture.ts';
import { bytesAfter, planOf } from '../plan.ts';
import { keyOf, SolvedStore } from '../solvedStore.ts';
import { solvedTensors, type Treatment } from '../solvedTensors.ts';
import type { Solved } from '../solver.ts';
import { nextSolution, writeSolved } from '../writeSolved.ts';
import { Pruner, type PruningMethod, type Sparsity } from './pruneMatrix.ts';

export interface PruneOptions {
  /** Default: 'sparsegpt' with a calibration text, else 'magnitude'. */
  readonly method?: PruningMethod;
  /** Share of the weights that become zero, 0 … 1. Not together with a pattern. */
  readonly sparsity?: number;
  /** N:M, e.g. '2:4': N of every M consecutive weights of a row are kept. */
  readonly pattern?: string;
  /** A text for Wanda and SparseGPT. A run that is interrupted continues when it is started again, from files beside the output. */
  readonly calibration?: CalibrationOptions;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
  /** Progress with stage 'prune'. */
  readonly onProgress?: OnProgress;
}

export interface PruneResult {
  readonly method: PruningMethod;
  /** Pruned matrices, and their share of zeros. */
  readonly tensors: readonly { readonly name: string; readonly sparsity: number; readonly notes: readonly string[] }[];
  /** Share of zeros in all pruned matrices. */
  readonly sparsity: number;
  readonly bytes: number;
  readonly seconds: number;
}

/**
 * @param source a GGUF file or a Hugging Face folder in F32, F16 or BF16 @param output path of the GGUF file
 * @throws {OptionError} @throws {UnsupportedError} for a quantized source @throws {FormatError} @throws {SourceError}
 */
export async function prune(source: CheckpointSource, output: string, options: PruneOptions): Promise<PruneResult> {
  const started = performance.now();
  const { method, sparsity } = pruningOf(options);
  if (source === output) throw new OptionError('the output', output, 'another file than the source');
  const opened = await openCheckpoint(source, options);
  try {
    const checkpoint = inGgufTerms(opened);
    refuseNestedBits(checkpoint);
    refuseQuantized(checkpoint);
    const calibration = method === 'magnitude' ? undefined : await prepareCalibration(checkpoint, options.calibration!);
    const formats = new Map([...checkpoint.tensors.values()].map((tensor) => [tensor.name, keptFormat(tensor)]));
    const plan = planOf(checkpoint, formats, {}, calibration);
    const bytes = plan.reduce((sum, planned) => sum + bytesAfter(planned), 0);
    const settings = [method, sparsity, plan.map(({ tensor, format, stage }) => [tensor.name, format.name, stage])];
    const store =
      calibration && (await SolvedStore.open(output, await keyOf(checkpoint, settings, calibration.windows)));
    const pruner = await Pruner.create(options.threads);
    const pruned = new Map<string, { zeros: number; elements: number; notes: readonly string[] }>();
    const treatment: Treatment = {
      // half of the weights are gone: what follows must make up for it
      isSequential: true,
      isTreated: ({ tensor }) => tensor.name.startsWith('blk.') && isQuantizable(tensor),
      treat(values, columns, { format }, { statistic }): Solved {
        const isDone = pruner.prune(values, columns, method, sparsity, statistic);
        const notes = isDone ? [] : ['the factorization of its statistic failed, so it was pruned by Wanda'];
        return { bytes: encode(values, columns, format, undefined), method: 'pruned', errors: {}, notes };
      },
    };
    const work = solvedTensors(plan, { stage: 'prune', treatment, checkpoint, calibration, bytes, options, store });
    const tensors = plan.map((planned) => {
      const {
        tensor: { name, shape },
        format,
      } = planned;
      const data = async () => {
        const solved = await nextSolution(work, name);
        if (treatment.isTreated(planned)) pruned.set(name, { ...zerosOf(solved.bytes, format), notes: solved.notes });
        return solved.bytes;
      };
      return { name, shape, format, data };
    });
    const metadata = [...checkpoint.metadata].filter(([key]) => !key.startsWith('split.')) as [string, GgufValue][];
    try {
      await writeSolved(output, { metadata, tensors }, work, options);
    } finally {
      pruner.dispose();
    }
    await opened.finish?.(options.signal);
    const sum = (what: 'zeros' | 'elements') => [...pruned.values()].reduce((total, each) => total + each[what], 0);
    return {
      method,
      tensors: [...pruned].map(([name, { zeros, elements, notes }]) => ({
        ...{ name, sparsity: zeros / elements, notes },
      })),
      sparsity: sum('zeros') / sum('elements'),
      bytes,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    await opened.close();
  }
}

/** Returns the method, share and pattern of a pruning. @throws {OptionError} for options that do not fit together */
export function pruningOf(options: PruneOptions): { readonly method: PruningMethod; readonly sparsity: Sparsity } {
  const sparsity = sparsityOf(options);
  const { calibration, method = calibration ? 'sparsegpt' : 'magnitude' } = options;
  if (!['magnitude', 'wanda', 'sparsegpt'].includes(method))
    throw new OptionError('method', method, 'magnitude, wanda or sparsegpt');
  if (!calibration && method !== 'magnitude')
    throw new OptionError('calibration', 'missing', `a text, which ${method} needs`);
  return { method, sparsity };
}

/** @throws {UnsupportedError} */
export function refuseQuantized({ name, tensors }: Checkpoint): void {
  const quantized = [...tensors.values()].find((tensor) => tensor.format.blockSize > 1);
  if (!quantized) return;
  const supported = ['F32', 'F16', 'BF16'];
  throw new UnsupportedError(`${name}: pruning a model with tensors in`, quantized.format.name, supported);
}

function zerosOf(bytes: Uint8Array, format: BlockFormat): { readonly zeros: number; readonly elements: number } {
  const blocks = bytes.length / format.blockBytes;
  const values = new Float32Array(blocks * format.blockSize);
  format.decode(bytes, 0, values, 0, blocks);
  return { zeros: values.reduce((sum, value) => sum + Number(value === 0), 0), elements: values.length };
}

/** @throws {OptionError} if there is not exactly one of share and pattern, or it is not possible */
function sparsityOf({ sparsity, pattern }: PruneOptions): Sparsity {
  if ((sparsity === undefined) === (pattern === undefined))
    throw new OptionError(
      'sparsity',
      sparsity === undefined ? 'missing' : 'given beside a pattern',
      'exactly one of sparsity and pattern',
    );
  if (pattern !== undefined) {
    const [, keep, of] = (/^(\d+):(\d+)$/.exec(pattern) ?? []).map(Number);
    if (!keep || !of || keep >= of || of > 64)
      throw new OptionError('pattern', pattern, 'N:M with N below M, such as 2:4');
    return { share: 1 - keep / of, pattern: { keep, of } };
  }
  if (!(sparsity! > 0 && sparsity! < 1)) throw new OptionError('sparsity', sparsity, 'a share between 0 and 1');
  return { share: sparsity! };
}
