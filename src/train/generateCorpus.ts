/** Text that a model writes, to train others on: many continuations at a time, appended to a file as they come. */
import { openLogFile } from '#leaf/train/log/logFile';
import { OptionError } from '../core/errors.ts';
import type { Continuation } from '../runtime/generateMany.ts';
import type { Model } from '../runtime/model.ts';
import { randomAt } from './data/randomAt.ts';

export interface CorpusOptions {
  /** Beginnings, taken in turns; they are part of the texts. Default: nothing but the model's beginning of a text. */
  readonly prompts?: readonly string[];
  /** File that texts are appended to, each with the separator behind it. What it holds already is gone on from. */
  readonly output: string;
  /**
   * Put behind a continuation that has come to its end, each to be continued again, in turns as often as there is room or
   * `parts` says: with the prompt 'User:', and '\\nBot:' and '\\nUser:' here, the model talks to itself.
   */
  readonly follow?: readonly string[];
  /** Continuations of a text at most. */
  readonly parts?: number;
  /** Stands on a line of its own behind each text. Default '<|endoftext|>'. */
  readonly separator?: string;
  /** Texts in all, those that the file holds already among them. */
  readonly count: number;
  /** Tokens of a continuation at most. Default: as many as the context has room for. */
  readonly tokens?: number;
  /** Text that ends a continuation, and is not part of it. */
  readonly stop?: string | readonly string[];
  /** Default 1, of all tokens: as the model is. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  /** The same seed gives the same texts, however often they are gone on with. Default 1. */
  readonly seed?: number;
  /** Texts that are written at a time. Default 32, or as many as the model takes. */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  /** Told behind each batch. */
  readonly onProgress?: (progress: CorpusProgress) => void;
}

export interface CorpusProgress {
  /** In the file. */
  readonly texts: number;
  readonly count: number;
  /** Generated in this call. */
  readonly tokens: number;
  readonly seconds: number;
}

const BATCH = 32;

/**
 * @returns what was generated in this call
 * @throws {OptionError}; {SourceError} where the file cannot be written; the signal's reason, where all whole batches
 *   are in the file
 */
export async function generateCorpus(model: Model, options: CorpusOptions): Promise<CorpusProgress> {
  const { prompts = [''], separator = '<|endoftext|>', count, seed = 1, signal } = options;
  const { tokens: maxTokens, stop, temperature = 1, topK = 0, topP = 1, minP = 0 } = options;
  const { follow: between = [], parts: most = Number.POSITIVE_INFINITY } = options;
  const next = (parts: number) => (parts < most ? between[(parts - 1) % between.length] : undefined);
  const batch = Math.min(options.batch ?? BATCH, model.mostAtATime);
  if (separator.trim() === '') throw new OptionError('separator', JSON.stringify(separator), 'a text');
  if (prompts.length === 0) throw new OptionError('prompts', 'empty', 'at least one');
  const encoded = prompts.map((prompt) => beginning(model, prompt));
  const file = await openLogFile(options.output);
  const started = performance.now();
  let tokens = 0;
  try {
    const end = `\n${separator}\n`;
    const { kept, texts } = wholeBatches(await file.text(), end, batch, count);
    await file.set(kept);
    let done = texts;
    const progress = () => ({ texts: done, count, tokens, seconds: (performance.now() - started) / 1000 });
    while (done < count) {
      const indices = Array.from({ length: Math.min(batch, count - done) }, (_, i) => done + i);
      const written = await model.generateMany(
        indices.map((index) => encoded[index % encoded.length]),
        {
          ...{ maxTokens, stop, temperature, topK, topP, minP, signal },
          ...(between.length > 0 && { follow: next }),
          seeds: indices.map((index) => randomAt(seed, index).integer(2 ** 32)),
        },
      );
      const lines = written.map((continuation, i) => {
        tokens += continuation.tokens;
        const whole = prompts[indices[i] % prompts.length] + wholeParts(continuation, next);
        // a text that says the separator itself ends there
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

/** The ids of a prompt; of an empty one what begins a text. */
function beginning({ tokenizer }: Model, prompt: string): readonly number[] {
  const ids = tokenizer.encode(prompt, { addEos: false });
  if (ids.length > 0) return ids;
  const first = tokenizer.bos ?? tokenizer.eos;
  if (first !== undefined) return [first];
  throw new OptionError('prompt', '""', 'some text, as the model has no token that begins one');
}

/** A text as it is, but without a last part of several that did not come to its end. */
function wholeParts(
  { text, parts, finishReason }: Continuation,
  between: (parts: number) => string | undefined,
): string {
  if (parts.length < 2 || finishReason === 'stop') return text;
  return parts.slice(0, -1).reduce((whole, part, i) => whole + (i === 0 ? '' : between(i)) + part, '');
}

/** What of a file stands: batches as they would be written, so that what follows is the same as in one go. */
function wholeBatches(text: string, end: string, batch: number, count: number): { kept: string; texts: number } {
  const ends: number[] = [];
  for (let at = text.indexOf(end); at >= 0; at = text.indexOf(end, ends.at(-1))) ends.push(at + end.length);
  const texts = ends.length >= count ? ends.length : ends.length - (ends.length % batch);
  return { kept: text.slice(0, ends[texts - 1] ?? 0), texts };
}
