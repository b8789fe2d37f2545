/** Several prompts continued at the same time: sequences of their own that share steps. */
import { createSampler } from '../sampling/sampler.ts';
import type { Engine } from './engine.ts';
import { generate } from './generate.ts';
import type { GenerateOptions } from './generateOptions.ts';
import { type FinishReason, startRecord } from './generation.ts';
import { PieceWriter } from './pieceWriter.ts';

export interface GenerateManyOptions extends Omit<GenerateOptions, 'logProbabilities' | 'seed'> {
  /** Seed of each prompt's sampler. Default: random ones. */
  readonly seeds?: readonly number[];
  /**
   * Called when a part of a text has come to its end, by the model or a stop string. Returns what takes the place of the token
   * that ended it, after which the next part begins; undefined: the text is over.
   * @param parts number of parts of this text so far
   */
  readonly follow?: (parts: number, index: number) => string | undefined;
}

/** What the model wrote after one of the prompts. */
export interface Continuation {
  readonly text: string;
  /** The generated parts without the texts between them. One part unless `follow` is set. */
  readonly parts: readonly string[];
  /** Number of generated tokens. */
  readonly tokens: number;
  /** Finish reason of the last part. */
  readonly finishReason: FinishReason;
  /** Seed of its sampler. */
  readonly seed: number;
}

/** @param prompts ids, checked @throws {MemoryError} if there can never be room for one of them; the signal's reason */
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
  // one that fails ends the others, and what ended them is not what happened
  for (const each of all) each.catch((error) => failed.abort(error));
  return Promise.all(all).finally(() => options.signal?.removeEventListener('abort', onAbort));
}

async function write(
  engine: Engine,
  prompt: readonly number[],
  index: number,
  options: GenerateManyOptions,
): Promise<Continuation> {
  const { stop = [], follow, maxTokens, signal, onProgress } = options;
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
      const between = finishReason === 'stop' ? follow?.(parts.length, index) : undefined;
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

/** Progress of all prompts together, reported by each. */
function totalProgress(prompts: readonly (readonly number[])[], onProgress: GenerateOptions['onProgress']) {
  if (!onProgress) return undefined;
  const total = prompts.reduce((sum, { length }) => sum + length, 0);
  const done = prompts.map(() => 0);
  return (index: number): GenerateOptions['onProgress'] =>
    (progress) => {
      done[index] = Math.max(done[index]!, Math.min(progress.done, prompts[index]!.length));
      onProgress({ ...progress, done: done.reduce((sum, count) => sum + count, 0), total });
    };
}
