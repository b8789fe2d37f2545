/** Measures the importance matrix of a model on a text, as llama-imatrix does, a stage at a time. */
import type { OnProgress } from '../core/progress.ts';
import { type CheckpointSource, openCheckpoint } from '../formats/open.ts';
import { inGgufTerms } from '../models/inGgufTerms.ts';
import { type Calibration, type CalibrationOptions, prepareCalibration } from './calibration.ts';
import type { ImportanceEntry, ImportanceMatrix } from './imatrix.ts';
import type { InputQuantiles } from './inputQuantiles.ts';
import { type Activations, forget, StageRun } from './statistic.ts';

export interface ImportanceOptions extends CalibrationOptions {
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

/** @throws what `quantize` throws */
export async function measureImportance(
  source: CheckpointSource,
  options: ImportanceOptions,
): Promise<ImportanceMatrix> {
  const { signal, onProgress, textName } = options;
  const opened = await openCheckpoint(source, { signal, onProgress });
  try {
    const checkpoint = inGgufTerms(opened);
    const calibration = await prepareCalibration(checkpoint, options);
    const entries = await importanceOf(calibration, options);
    const { windows } = calibration;
    const texts = textName === undefined ? [] : [textName];
    return { entries, texts, windows: windows.count, windowSize: windows.size };
  } finally {
    await opened.close();
  }
}

/** Measures all stages in order. */
export async function importanceOf(
  { windows, stages, weights }: Calibration,
  options: Omit<ImportanceOptions, keyof CalibrationOptions>,
): Promise<Map<string, ImportanceEntry>> {
  const { processOutput, quantiles, onInput, threads, backend, signal, onProgress } = options;
  const entries = new Map<string, ImportanceEntry>();
  const activations: Activations = new Map();
  const total = stages.length * windows.tokens.length;
  let done = 0;
  const onTokens = (count: number) => {
    done += count;
    onProgress?.({ stage: 'calibrate', done, total, unit: 'tokens' });
  };
  for (const [index, stage] of stages.entries()) {
    const isWanted = (tensor: string) => processOutput === true || !isOutput(tensor);
    const run = await StageRun.compile(stage, 'squares', isWanted, {
      ...{ weights, windows, threads, backend, signal, quantiles, onTokens },
    });
    try {
      for (const { tensors, squares, tokens, input } of await run.measureSquares(activations)) {
        if (input) onInput?.(input);
        const found = { squares, tokens, ...(input && { quantiles: input.quantiles }) };
        for (const tensor of tensors) entries.set(tensor, found);
      }
      forget(activations, stages.slice(index + 1));
    } finally {
      run.dispose();
    }
  }
  return entries;
}
