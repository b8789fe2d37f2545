/** Measures the importance matrix of a model on a text, as llama-imatrix does, a stage at a time. */
import type { OnProgress } from '../core/progress.ts';
import { type CheckpointSource, openCheckpoint } from '../formats/open.ts';
import { inGgufTerms } from '../models/inGgufTerms.ts';
import { type Calibration, type CalibrationOptions, prepareCalibration } from './calibration.ts';
import { type ImportanceEntry, type ImportanceMatrix, writeImatrix } from './imatrix.ts';
import type { InputQuantiles } from './inputQuantiles.ts';
import { keyOf, SolvedStore } from './solvedStore.ts';
import { type Activations, forget, type Squares, StageRun } from './statistic.ts';
import { keeping } from './writeSolved.ts';

export interface ImportanceOptions extends CalibrationOptions {
  /**
   * Path of a file to write, for llama-quantize and `quantize`. A run that is interrupted continues when it is started again, from files
   * beside it, and writes the same bytes. Default: no file is written, and nothing is kept.
   */
  readonly output?: string;
  /** Name of the text, for the file. */
  readonly textName?: string;
  /** Measures the output matrix, too: llama-imatrix's --process-output. For tied embeddings, that is the embedding. */
  readonly processOutput?: boolean;
  /** Measures quantiles of the inputs, too. Default: false. */
  readonly quantiles?: boolean;
  /** Called with the quantiles of each input. */
  readonly onInput?: (input: InputQuantiles) => void;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** Weights that llama-imatrix leaves out unless it is told otherwise. */
const isOutput = (tensor: string): boolean => tensor === 'output.weight' || tensor === 'token_embd.weight';

/** @throws what `quantize` throws @throws {SourceError} e.g. if the disk is full */
export async function measureImportance(
  source: CheckpointSource,
  options: ImportanceOptions,
): Promise<ImportanceMatrix> {
  const { signal, onProgress, textName, output, processOutput, quantiles } = options;
  const opened = await openCheckpoint(source, { signal, onProgress });
  try {
    const checkpoint = inGgufTerms(opened);
    const calibration = await prepareCalibration(checkpoint, options);
    const { windows } = calibration;
    const measured = async (store?: SolvedStore): Promise<ImportanceMatrix> => {
      const entries = await importanceOf(calibration, { ...options, store });
      const texts = textName === undefined ? [] : [textName];
      return { entries, texts, windows: windows.count, windowSize: windows.size };
    };
    if (output === undefined) return await measured();
    const settings = ['imatrix', processOutput === true, quantiles === true];
    const store = await SolvedStore.open(output, await keyOf(checkpoint, settings, windows));
    return await keeping(output, signal, async () => {
      const matrix = await measured(store);
      await writeImatrix(output, matrix);
      return matrix;
    });
  } finally {
    await opened.close();
  }
}

/** Measures all stages in order. @param options `store`: keeps what is measured */
export async function importanceOf(
  { windows, stages, weights }: Calibration,
  options: Omit<ImportanceOptions, keyof CalibrationOptions | 'output'> & { readonly store?: SolvedStore },
): Promise<Map<string, ImportanceEntry>> {
  const { processOutput, quantiles, onInput, threads, backend, signal, onProgress, store } = options;
  const entries = new Map<string, ImportanceEntry>();
  let activations: Activations = new Map();
  const add = (all: readonly Squares[]) => {
    for (const { tensors, squares, tokens, input } of all) {
      if (input) onInput?.(input);
      const found = { squares, tokens, ...(input && { quantiles: input.quantiles }) };
      for (const tensor of tensors) entries.set(tensor, found);
    }
  };
  const total = stages.length * windows.tokens.length;
  let done = 0;
  const onTokens = (count: number) => {
    done += count;
    onProgress?.({ stage: 'calibrate', done, total, unit: 'tokens' });
  };
  for (const [index, stage] of stages.entries()) {
    if (store && index <= store.finished) {
      add(await storedSquares(store, index));
      if (index === store.finished) activations = await store.activations();
      onTokens(windows.tokens.length);
      continue;
    }
    const isWanted = (tensor: string) => processOutput === true || !isOutput(tensor);
    const run = await StageRun.compile(stage, 'squares', isWanted, {
      ...{ weights, windows, threads, backend, signal, quantiles, onTokens },
    });
    try {
      const measured = await run.measureSquares(activations);
      add(measured);
      forget(activations, stages.slice(index + 1));
      await store?.putStage(
        index,
        measured.map(({ squares: _, ...facts }) => facts),
        measured.map(({ squares }) => squares),
      );
      await store?.finish(index, activations);
    } finally {
      run.dispose();
    }
  }
  return entries;
}

async function storedSquares(store: SolvedStore, stage: number): Promise<Squares[]> {
  const { header, values } = await store.getStage(stage);
  return (header as readonly Omit<Squares, 'squares'>[]).map((facts, i) => ({ ...facts, squares: values[i] }));
}
