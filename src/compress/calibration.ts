/** Prepares a model for calibration: cuts its text into windows and its graph into stages. */
import { EspalierError, OptionError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { buildModel } from '../models/buildModel.ts';
import { dequantized } from '../models/dequantized.ts';
import { weightStore } from '../models/weightStore.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { calibrationWindows, type Windows } from './calibrationText.ts';
import { type Stage, stagesOf } from './stages.ts';

export interface CalibrationOptions {
  /** The text itself. */
  readonly text: string;
  /** Tokens per window. Default: 512, at most the trained context. */
  readonly window?: number;
  /** Maximum number of windows. Default: 128. Solvers take as many of them as the widest matrix needs, spread over the text. */
  readonly windows?: number;
}

/** Input of a calibration. */
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
