/** Writes a calibration text with the model itself: samples without any restriction of its distribution. */
import type { OnProgress } from '../core/progress.ts';
import { seededRandom } from '../core/random.ts';
import type { CheckpointSource } from '../formats/open.ts';
import { load } from '../runtime/load.ts';
import { checkWindows } from './calibrationText.ts';

export interface SampleTextOptions {
  /** Tokens per window. Default: 512, at most the model's context. */
  readonly window?: number;
  /** Number of windows. Default: 128. */
  readonly windows?: number;
  /** Default: 1. The same seed writes the same text. */
  readonly seed?: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/**
 * The whole model is in memory meanwhile.
 * @throws the errors of `load`
 * @returns as many tokens as the windows have, and a few more
 */
export async function sampleText(source: CheckpointSource, options: SampleTextOptions = {}): Promise<string> {
  checkWindows({ window: options.window, windows: options.windows });
  const { windows = 128, seed = 1, threads, signal, onProgress } = options;
  const model = await load(source, { threads, signal, onProgress });
  try {
    const window = Math.min(options.window ?? 512, model.context - 1);
    const { bos, vocabSize } = model.tokenizer;
    const random = seededRandom(seed);
    const prompts = Array.from({ length: windows }, () => [bos ?? random.integer(vocabSize)]);
    const texts = await model.generateMany(prompts, {
      ...{ temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 },
      seeds: prompts.map((_, i) => seed + i),
      // text that is encoded again has other tokens here and there
      maxTokens: window,
      nextTurn: () => '\n',
      signal,
      onProgress,
    });
    return texts.map(({ text }) => text).join('\n');
  } finally {
    model.dispose();
  }
}
