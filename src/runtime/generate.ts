/** The loop that makes text: prefill, then sample and step, token by token. */
import { nextTask } from '#leaf/runtime/nextTask';
import type { GenerateOptions } from './generateOptions.ts';
import type { GenerationRecord, Piece, PieceLogProbability } from './generation.ts';
import type { PieceWriter } from './pieceWriter.ts';
import { likeliest, logNormalizer } from './sampling/logProbabilities.ts';
import type { Sampler } from './sampling/sampler.ts';
import type { Timeline } from './timeline.ts';

export interface GenerateTask {
  readonly timeline: Timeline;
  /** Ids, at least one, no more than the context holds. */
  readonly prompt: readonly number[];
  readonly endOfGeneration: ReadonlySet<number>;
  readonly options: GenerateOptions;
  readonly sampler: Sampler;
  readonly writer: PieceWriter;
  readonly record: GenerationRecord;
}

/** A sampled token, and what was known of its place where that was asked for. */
interface Choice {
  readonly id: number;
  readonly logProbability?: PieceLogProbability;
}

/** Yields the pieces and writes the record. @throws the signal's reason */
export async function* generate(task: GenerateTask): AsyncGenerator<Piece, void> {
  const { writer, record, options } = task;
  try {
    let choice: Choice | undefined = await prefill(task);
    while (choice) {
      const piece = writer.push(choice.id, choice.logProbability);
      if (piece) yield piece;
      choice = await decode(task, choice.id);
    }
  } catch (error) {
    if (!options.signal?.aborted || error !== options.signal.reason) throw error;
    record.finishReason = 'aborted';
  }
  const rest = writer.flush();
  if (rest) yield rest;
  if (record.finishReason === 'aborted') throw options.signal?.reason;
}

/** Computes what the timeline does not hold of the prompt yet, at least its last token, and samples the first token. */
async function prefill(task: GenerateTask): Promise<Choice | undefined> {
  const { timeline, prompt, record, options } = task;
  timeline.refresh();
  const reused = Math.min(commonLength(timeline.tokens, prompt), prompt.length - 1);
  timeline.rewind(reused);
  record.reusedTokens = reused;
  const fresh = prompt.slice(reused);
  const started = performance.now();
  let choice: Choice | undefined;
  await timeline.advance(fresh, {
    rows: [fresh.length - 1],
    output: 'logits',
    onRow: (_, logits) => {
      choice = choose(task, logits);
    },
    signal: options.signal,
    onProgress: options.onProgress,
  });
  record.prefillSeconds = secondsSince(started);
  return choice;
}

/** Samples what follows a token that was written. */
async function decode(task: GenerateTask, id: number): Promise<Choice | undefined> {
  const { timeline, writer, record, options } = task;
  if (writer.stopped) record.finishReason = 'stop';
  else if (record.ids.length === options.maxTokens) record.finishReason = 'length';
  else if (timeline.tokens.length === timeline.context) record.finishReason = 'context';
  if (record.finishReason) return undefined;
  await nextTask();
  options.signal?.throwIfAborted();
  const started = performance.now();
  const choice = choose(task, timeline.next(id));
  record.decodeSeconds += secondsSince(started);
  record.decodeSteps++;
  return choice;
}

/** @param logits [V], may be changed @returns undefined where the generation is over instead */
function choose({ timeline, endOfGeneration, options, sampler, record }: GenerateTask, logits: Float32Array) {
  const count = options.logProbabilities;
  const raw = count === undefined ? logits : logits.slice();
  const id = sampler.pick(logits, timeline.tokens);
  if (options.maxTokens === 0) record.finishReason = 'length';
  else if (endOfGeneration.has(id)) record.finishReason = 'stop';
  if (record.finishReason) return undefined;
  if (count === undefined) return { id };
  const normalizer = logNormalizer(raw);
  const logProbability = raw[id] - normalizer;
  return { id, logProbability: { id, logProbability, likeliest: likeliest(raw, normalizer, count) } };
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}
