/** Continues several prompts at the same time: each has a sequence of its own, and the sequences share steps. */
import { abortable } from '../core/abortable.ts';
import { createSampler } from '../sampling/sampler.ts';
import type { Engine } from './engine.ts';
import { generate } from './generate.ts';
import type { GenerateOptions } from './generateOptions.ts';
import { type FinishReason, startRecord } from './generation.ts';
import { PieceWriter } from './pieceWriter.ts';

export interface GenerateManyOptions
  extends Omit<GenerateOptions, 'draft' | 'exit' | 'exitRisk' | 'logProbabilities' | 'seed'> {
  /** Seed of each prompt's sampler. Default: random ones. */
  readonly seeds?: readonly number[];
  /**
   * Called when the model or a stop string ends a part of a text. Returns the text to insert before the next part, in place
   * of the token that ended this one; or undefined to finish the text.
   * @param parts number of parts of this text so far @param index index of the prompt
   */
  readonly nextTurn?: (parts: number, index: number) => string | undefined | Promise<string | undefined>;
}

/** Generated continuation of one prompt. */
export interface Continuation {
  readonly text: string;
  /** The generated parts without the texts between them. One part unless `nextTurn` is set. */
  readonly parts: readonly string[];
  /** Number of generated tokens. */
  readonly tokens: number;
  /** Finish reason of the last part. */
  readonly finishReason: FinishReason;
  /** Seed of its sampler. */
  readonly seed: number;
}

/** @param prompts valid token ids @throws {MemoryError} if one of the prompts can never fit; the signal's reason */
export async function generateMany(
  engine: Engine,
  prompts: readonly (readonly number[])[],
  options: GenerateManyOptions,
): Promise<Continuation[]> {
  const failed = new AbortController();
  const { signal } = failed;
  const onAbort = () => failed.abort(options.signal?.reason);
  if (options.signal?.aborted) onAbort();
  options.signal?.addEventListener('abort', onAbort);
  const onProgress = totalProgress(prompts, options.onProgress);
  const all = prompts.map((prompt, i) => write(engine, prompt, i, { ...options, signal, onProgress: onProgress?.(i) }));
  // the first failure aborts the others; Promise.all rejects with that failure, not with the aborts
  for (const each of all) each.catch((error) => failed.abort(error));
  return Promise.all(all).finally(() => options.signal?.removeEventListener('abort', onAbort));
}

async function write(
  engine: Engine,
  prompt: readonly number[],
  index: number,
  options: GenerateManyOptions,
): Promise<Continuation> {
  const { stop = [], nextTurn, maxTokens, signal, onProgress } = options;
  const sampler = createSampler({ ...options, seed: options.seeds?.[index] });
  const sequence = engine.sequence();
  const parts: string[] = [];
  let [text, tokens, given] = ['', 0, prompt];
  try {
    for (;;) {
      const record = startRecord(given.length, sampler.seed);
      const writer = new PieceWriter(engine.decoder(), [stop].flat(), record);
      const own = { maxTokens: maxTokens === undefined ? undefined : maxTokens - tokens, signal, onProgress };
      const { endOfGeneration } = engine;
      for await (const _ of generate({
        sequence,
        prompt: given,
        endOfGeneration,
        options: own,
        sampler,
        writer,
        record,
      }));
      parts.push(record.text);
      text += record.text;
      tokens += record.ids.length;
      const finishReason = record.finishReason ?? 'stop';
      const between = finishReason === 'stop' ? await abortable(nextTurn?.(parts.length, index), signal) : undefined;
      const ids = between === undefined ? [] : engine.tokenizer.encode(between, { addBos: false, addEos: false });
      if (between === undefined || sequence.tokens.length + ids.length >= engine.context)
        return { text, parts, tokens, finishReason, seed: sampler.seed };
      text += between;
      given = [...sequence.tokens, ...ids];
    }
  } finally {
    sequence.free();
  }
}

/** Sums up the progress of all prompts. Returns the progress callback of each prompt. */
function totalProgress(prompts: readonly (readonly number[])[], onProgress: GenerateOptions['onProgress']) {
  if (!onProgress) return undefined;
  const total = prompts.reduce((sum, { length }) => sum + length, 0);
  const done = prompts.map(() => 0);
  return (index: number): GenerateOptions['onProgress'] =>
    (progress) => {
      done[index] = Math.max(done[index], Math.min(progress.done, prompts[index].length));
      onProgress({ ...progress, done: done.reduce((sum, count) => sum + count, 0), total });
    };
}
