/** Generates texts to train other models on. Many texts are generated at a time and appended to a file. */
import { openLogFile } from '#leaf/train/log/logFile';
import { OptionError } from '../core/errors.ts';
import type { Continuation } from '../runtime/generateMany.ts';
import type { Model } from '../runtime/model.ts';
import { randomAt } from './data/randomAt.ts';

export interface CorpusOptions {
  /** Prompts, used in turn. Each text begins with its prompt. Default: an empty prompt. */
  readonly prompts?: readonly string[];
  /** File to append the texts to, each followed by the separator. If it already contains texts, generation continues after them. */
  readonly output: string;
  /**
   * Texts to insert after each finished turn, used in turn; the model then continues. With the prompt 'User:' and
   * '\\nBot:', '\\nUser:' here, the model talks to itself. A text ends after `maxTurns` turns or when the context is full.
   */
  readonly turnPrefixes?: readonly string[];
  /** Maximum number of turns per text. Default: no limit. */
  readonly maxTurns?: number;
  /** Line after each text. Default '<|endoftext|>'. */
  readonly separator?: string;
  /** Total number of texts, including those already in the file. */
  readonly count: number;
  /** Maximum tokens per turn. Default: the rest of the context. */
  readonly maxTokens?: number;
  /** Stop strings: they end a turn and are not part of it. */
  readonly stop?: string | readonly string[];
  /** Default 1 without topK, topP and minP: samples from the model's own distribution. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  /** Seed of the sampler. Default 1. The same seed produces the same texts, even if generation is interrupted and continued. */
  readonly seed?: number;
  /** Number of texts generated at a time. Default 32, limited by the model's maximum. */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  /** Called after each batch. */
  readonly onProgress?: (progress: CorpusProgress) => void;
}

export interface CorpusProgress {
  /** Number of texts in the file. */
  readonly texts: number;
  readonly count: number;
  /** Number of tokens generated in this call. */
  readonly tokens: number;
  readonly seconds: number;
}

const BATCH = 32;

/**
 * Generates texts until the file contains `count` of them.
 * @returns the totals of this call
 * @throws {OptionError} if an option is invalid
 * @throws {SourceError} if the file cannot be written
 * @throws the signal's reason; all completed batches are then in the file
 */
export async function generateCorpus(model: Model, options: CorpusOptions): Promise<CorpusProgress> {
  const { prompts = [''], separator = '<|endoftext|>', count, seed = 1, signal } = options;
  const { maxTokens, stop, temperature = 1, topK = 0, topP = 1, minP = 0 } = options;
  const { turnPrefixes = [], maxTurns = Number.POSITIVE_INFINITY } = options;
  const next = (turns: number) => (turns < maxTurns ? turnPrefixes[(turns - 1) % turnPrefixes.length] : undefined);
  const batch = Math.min(options.batch ?? BATCH, model.maxPrompts);
  if (separator.trim() === '') throw new OptionError('separator', JSON.stringify(separator), 'a text');
  if (prompts.length === 0) throw new OptionError('prompts', 'empty', 'at least one');
  const encoded = prompts.map((prompt) => promptTokens(model, prompt));
  const file = await openLogFile(options.output);
  const started = performance.now();
  let tokens = 0;
  try {
    const end = `\n${separator}\n`;
    const { kept, texts } = wholeBatches(await file.text(), end, batch, count);
    await file.truncateTo(kept);
    let done = texts;
    const progress = () => ({ texts: done, count, tokens, seconds: (performance.now() - started) / 1000 });
    while (done < count) {
      const indices = Array.from({ length: Math.min(batch, count - done) }, (_, i) => done + i);
      const written = await model.generateMany(
        indices.map((index) => encoded[index % encoded.length]),
        {
          ...{ maxTokens, stop, temperature, topK, topP, minP, signal },
          ...(turnPrefixes.length > 0 && { nextTurn: next }),
          seeds: indices.map((index) => randomAt(seed, index).integer(2 ** 32)),
        },
      );
      const lines = written.map((continuation, i) => {
        tokens += continuation.tokens;
        const whole = prompts[indices[i] % prompts.length] + completeTurns(continuation, next);
        // a separator inside the generated text ends the text
        return whole.split(separator)[0].trim() + end;
      });
      await file.append(lines.join(''));
      await file.flush();
      done += indices.length;
      options.onProgress?.(progress());
    }
    return progress();
  } finally {
    await file.close();
  }
}

/** Encodes a prompt. An empty prompt becomes the BOS token, or EOS if the model has no BOS. */
function promptTokens({ tokenizer }: Model, prompt: string): readonly number[] {
  const ids = tokenizer.encode(prompt, { addEos: false });
  if (ids.length > 0) return ids;
  const first = tokenizer.bos ?? tokenizer.eos;
  if (first !== undefined) return [first];
  throw new OptionError('prompt', '""', 'at least one token, because the model has no BOS or EOS token to start with');
}

/** Returns the generated text without its last turn if that turn is unfinished and not the only one. */
function completeTurns(
  { text, parts, finishReason }: Continuation,
  nextPrefix: (turns: number) => string | undefined,
): string {
  if (parts.length < 2 || finishReason === 'stop') return text;
  return parts.slice(0, -1).reduce((whole, part, i) => whole + (i === 0 ? '' : nextPrefix(i)) + part, '');
}

/** Returns the complete batches at the start of a file, so that an interrupted run continues as if it had never stopped. */
function wholeBatches(text: string, end: string, batch: number, count: number): { kept: string; texts: number } {
  const ends: number[] = [];
  for (let at = text.indexOf(end); at >= 0; at = text.indexOf(end, ends.at(-1))) ends.push(at + end.length);
  const texts = ends.length >= count ? ends.length : ends.length - (ends.length % batch);
  return { kept: text.slice(0, ends[texts - 1] ?? 0), texts };
}
