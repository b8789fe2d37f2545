/**
 * Removes neurons of the feed-forward part and heads of attention: the result is a smaller dense model. In each block it removes those
 * whose removal costs least on a calibration text, and fits the matrix behind them by least squares to compensate (OBS on whole
 * channels). All blocks keep the same number, because a file has one number for all. With grouped-query attention, a key-value head is
 * removed together with its queries.
 */
import { OptionError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import type { Checkpoint, CheckpointTensor } from '../../formats/checkpoint.ts';
import type { GgufValue } from '../../formats/gguf/write.ts';
import { type CheckpointSource, openCheckpoint } from '../../formats/open.ts';
import { inGgufTerms } from '../../models/inGgufTerms.ts';
import { bytesOf } from '../../tensor/blockFormat.ts';
import { type Calibration, type CalibrationOptions, prepareCalibration } from '../calibration.ts';
import { encode } from '../encodeRows.ts';
import { finiteBytes, finiteValues, isFiniteArray, refuseNotFinite } from '../finiteValues.ts';
import { Matrices } from '../matrix/matrices.ts';
import { keyOf, SolvedStore } from '../solvedStore.ts';
import { type Activations, enoughWindows, forget, gramOfAll, StageRun } from '../statistic.ts';
import { writeFile } from '../writeFile.ts';
import { keeping } from '../writeSolved.ts';
import { keptColumns } from './keptColumns.ts';
import type { Channels } from './leastSquares.ts';
import { type NarrowSizes, narrowSizes } from './narrowSizes.ts';

export interface NarrowOptions {
  /** Share of the neurons and heads that are kept, 0 … 1. */
  readonly keep?: number;
  /** Share of the neurons. Default: `keep`, or all. */
  readonly keepNeurons?: number;
  /** Share of the key-value heads, with their queries. Default: `keep`, or all. */
  readonly keepHeads?: number;
  readonly calibration: CalibrationOptions;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
  /** Progress with stage 'narrow', a piece per block. */
  readonly onProgress?: OnProgress;
}

export interface NarrowResult {
  /** Neurons and key-value heads of each block, before and after. */
  readonly neurons: readonly [before: number, after: number];
  readonly heads: readonly [before: number, after: number];
  readonly parameters: number;
  readonly bytes: number;
  /** Warnings for a person: matrices that could not be fitted to compensate. */
  readonly notes: readonly string[];
}

/**
 * A run that is interrupted continues when it is started again, and writes the same bytes.
 * @param source in F32, F16 or BF16 @param output path of the GGUF file
 * @throws {UnsupportedError} for a quantized source, and for blocks with parts whose channels are not known, e.g. experts
 * @throws {OptionError} and the errors of `quantize`
 */
export async function narrow(source: CheckpointSource, output: string, options: NarrowOptions): Promise<NarrowResult> {
  if (source === output) throw new OptionError('the output', output, 'another file than the source');
  const opened = await openCheckpoint(source, options);
  try {
    const checkpoint = inGgufTerms(opened);
    const sizes = narrowSizes(checkpoint, options);
    const calibration = enoughWindows(await prepareCalibration(checkpoint, options.calibration));
    const settings = ['narrow', sizes.neurons, sizes.heads];
    const store = await SolvedStore.open(output, await keyOf(checkpoint, settings, calibration.windows));
    const narrowing = await Narrowing.create(checkpoint, sizes, calibration, options, store);
    try {
      const tensors = [...checkpoint.tensors.values()].sort((a, b) => blockOf(a) - blockOf(b));
      const written = tensors.map((tensor) => {
        const shape = sizes.shapeOf(tensor);
        return { name: tensor.name, shape, format: tensor.format, data: () => narrowing.bytesOf(tensor) };
      });
      const metadata = [...sizes.metadata] as [string, GgufValue][];
      await keeping(output, options.signal, () => writeFile(output, { metadata, tensors: written }, options));
      await opened.finish?.(options.signal);
      const elements = written.map(({ shape }) => shape.reduce((product, size) => product * size, 1));
      return {
        neurons: sizes.neurons,
        heads: sizes.heads,
        parameters: elements.reduce((sum, count) => sum + count, 0),
        bytes: elements.reduce((sum, count, i) => sum + bytesOf(written[i].format, count), 0),
        notes: narrowing.notes,
      };
    } finally {
      narrowing.dispose();
    }
  } finally {
    await opened.close();
  }
}

/** Index of a tensor's block; −1 before all blocks. */
const blockOf = ({ name }: CheckpointTensor): number => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);

/** Kept neurons and heads of a block, and the matrices that compensate for the others, by their name within the block. */
interface BlockCut {
  readonly block: number;
  readonly neurons: Int32Array;
  readonly heads: Int32Array;
  readonly replaced: ReadonlyMap<string, Float32Array>;
}

/** A cut in a file: `replaced` has the names of the matrices, whose values follow. */
interface KeptCut {
  readonly block: number;
  readonly neurons: readonly number[];
  readonly heads: readonly number[];
  readonly replaced: readonly string[];
  readonly notes: readonly string[];
}

/** Cuts block after block, in the order of the file: one block's matrices are in memory. */
class Narrowing {
  readonly #checkpoint: Checkpoint;
  readonly #sizes: NarrowSizes;
  readonly #calibration: Calibration;
  readonly #options: NarrowOptions;
  readonly #matrices: Matrices;
  readonly #store: SolvedStore;
  #activations: Activations = new Map();
  readonly notes: string[] = [];
  #nextStage = 0;
  #cut: BlockCut | undefined;

  private constructor(
    checkpoint: Checkpoint,
    sizes: NarrowSizes,
    calibration: Calibration,
    options: NarrowOptions,
    store: SolvedStore,
    matrices: Matrices,
  ) {
    this.#checkpoint = checkpoint;
    this.#sizes = sizes;
    this.#calibration = calibration;
    this.#options = options;
    this.#store = store;
    this.#matrices = matrices;
  }

  static async create(
    checkpoint: Checkpoint,
    sizes: NarrowSizes,
    calibration: Calibration,
    options: NarrowOptions,
    store: SolvedStore,
  ): Promise<Narrowing> {
    return new Narrowing(checkpoint, sizes, calibration, options, store, await Matrices.create(options.threads));
  }

  dispose(): void {
    this.#matrices.dispose();
  }

  /** Bytes of a tensor of the result. Blocks must be asked for in ascending order. */
  async bytesOf(tensor: CheckpointTensor): Promise<Uint8Array> {
    this.#options.signal?.throwIfAborted();
    const block = blockOf(tensor);
    const part = tensor.name.replace(/^blk\.\d+\./, '');
    if (block < 0) return finiteBytes(this.#checkpoint, tensor);
    const cut = await this.#cutOf(block);
    const replaced = cut.replaced.get(part);
    if (replaced) return encode(replaced, this.#sizes.shapeOf(tensor).at(-1)!, tensor.format, undefined);
    const bytes = await finiteBytes(this.#checkpoint, tensor);
    const rows = this.#sizes.rowsOf(part, cut);
    return rows ? rowsOf(bytes, tensor.shape[0], rows) : bytes;
  }

  async #cutOf(block: number): Promise<BlockCut> {
    while (this.#cut?.block !== block) {
      const cut = await this.#runStage();
      if (cut) this.#cut = cut;
    }
    return this.#cut;
  }

  /** Runs the next stage. @returns undefined for the one before the blocks */
  async #runStage(): Promise<BlockCut | undefined> {
    const { stages, windows, weights } = this.#calibration;
    const stage = this.#nextStage++;
    const { threads, backend, signal, onProgress } = this.#options;
    if (stage <= this.#store.finished) {
      if (stage === this.#store.finished) this.#activations = await this.#store.activations();
      return stage === 0 ? undefined : await this.#storedCut(stage);
    }
    const isWanted = (name: string) => /\.(ffn_down|attn_output)\.weight$/.test(name);
    const run = await StageRun.compile(stages[stage], 'gram', isWanted, {
      weights,
      windows,
      threads,
      backend,
      signal,
    });
    try {
      const measured = await run.measure(this.#activations);
      const statistics = measured.map((each) => ({ ...each, gram: gramOfAll(each) }));
      for (const { gram, tensors } of statistics)
        if (!isFiniteArray(gram)) await refuseNotFinite(this.#checkpoint, stages[stage], `the inputs of ${tensors[0]}`);
      forget(this.#activations, stages.slice(stage + 1));
      if (stage === 0) {
        await this.#store.finish(stage, this.#activations);
        return undefined;
      }
      const channels = (part: string): Channels => {
        const { gram, size } = statistics.find(({ tensors }) => tensors.some((name) => name.endsWith(part)))!;
        return { gram, size };
      };
      onProgress?.({ stage: 'narrow', done: stage, total: stages.length - 2, unit: 'pieces' });
      const notes = this.notes.length;
      const cut = await this.#solve(stage - 1, channels);
      await this.#keep(stage, cut, this.notes.slice(notes));
      return cut;
    } finally {
      run.dispose();
    }
  }

  async #keep(stage: number, { block, neurons, heads, replaced }: BlockCut, notes: readonly string[]): Promise<void> {
    const kept: KeptCut = { block, neurons: [...neurons], heads: [...heads], replaced: [...replaced.keys()], notes };
    await this.#store.putStage(stage, kept, [...replaced.values()]);
    await this.#store.finish(stage, this.#activations);
  }

  async #storedCut(stage: number): Promise<BlockCut> {
    const { header, values } = await this.#store.getStage(stage);
    const { block, neurons, heads, replaced, notes } = header as KeptCut;
    this.notes.push(...notes);
    return {
      ...{ block, neurons: Int32Array.from(neurons), heads: Int32Array.from(heads) },
      replaced: new Map(replaced.map((part, i) => [part, values[i]])),
    };
  }

  async #solve(block: number, channels: (part: string) => Channels): Promise<BlockCut> {
    const { neurons, heads, valueSize, groupSize } = this.#sizes;
    const replaced = new Map<string, Float32Array>();
    const cut = async (part: string, [count, kept]: readonly [number, number], width: number) => {
      const all = Int32Array.from({ length: count }, (_, i) => i);
      if (kept === count) return all;
      const tensor = this.#checkpoint.tensors.get(`blk.${block}.${part}`)!;
      const values = await finiteValues(this.#checkpoint, tensor);
      const { chosen, weights, notes } = keptColumns(this.#matrices, values, channels(part), { width, kept });
      for (const note of notes) this.notes.push(`${tensor.name}: ${note}`);
      replaced.set(part, weights);
      return chosen;
    };
    return {
      block,
      neurons: await cut('ffn_down.weight', neurons, 1),
      heads: await cut('attn_output.weight', heads, groupSize * valueSize),
      replaced,
    };
  }
}

/** Bytes of some rows of a matrix, or of elements of a vector. @param count of all rows */
function rowsOf(all: Uint8Array, count: number, rows: Int32Array): Uint8Array {
  const size = all.length / count;
  const chosen = new Uint8Array(rows.length * size);
  for (const [i, row] of rows.entries()) chosen.set(all.subarray(row * size, (row + 1) * size), i * size);
  return chosen;
}
