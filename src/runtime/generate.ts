/** The generation loop: prefill, then sample and step, token by token. */
import { nextTask } from '#leaf/runtime/nextTask';
import { logNormalizer, topLogProbs } from '../sampling/logProbabilities.ts';
import { PENALTY_WINDOW } from '../sampling/repetitionPenalty.ts';
import type { Sampler } from '../sampling/sampler.ts';
import type { GenerateOptions } from './generateOptions.ts';
import type { GenerationRecord, Piece, PieceLogProbability } from './generation.ts';
import type { PieceWriter } from './pieceWriter.ts';
import type { Sequence } from './sequence.ts';

export interface GenerateTask {
  readonly sequence: Sequence;
  /** Ids of the prompt: at least one, at most the context length. */
  readonly prompt: readonly number[];
  readonly endOfGeneration: ReadonlySet<number>;
  readonly options: GenerateOptions;
  readonly sampler: Sampler;
  readonly writer: PieceWriter;
  readonly record: GenerationRecord;
}

/** A sampled token, with log-probabilities if requested. */
interface Choice {
  readonly id: number;
  readonly logProbability?: PieceLogProbability;
}

/** Yields the pieces and updates the record. @throws the signal's reason */
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

/** Computes the part of the prompt that is not in the cache, at least its last token, and samples the first token. */
async function prefill(task: GenerateTask): Promise<Choice | undefined> {
  const { sequence, prompt, record, options } = task;
  sequence.refresh();
  const reused = Math.min(commonLength(sequence.tokens, prompt), prompt.length - 1);
  sequence.rewind(reused);
  record.reusedTokens = reused;
  const fresh = prompt.slice(reused);
  const started = performance.now();
  let choice: Choice | undefined;
  await sequence.advance(fresh, {
    rows: [fresh.length - 1],
    output: 'logits',
    onRow: (_, logits) => {
      choice = chooseFrom(task, logits);
    },
    signal: options.signal,
    onProgress: options.onProgress,
  });
  record.prefillSeconds = secondsSince(started);
  return choice;
}

/** Samples the token after `id`. */
async function decode(task: GenerateTask, id: number): Promise<Choice | undefined> {
  const { sequence, writer, record, options } = task;
  if (writer.stopped) record.finishReason = 'stop';
  else if (record.ids.length === options.maxTokens) record.finishReason = 'length';
  else if (sequence.tokens.length === sequence.context) record.finishReason = 'context';
  if (record.finishReason) return undefined;
  await nextTask();
  options.signal?.throwIfAborted();
  const started = performance.now();
  const choice = await step(task, id);
  record.decodeSeconds += secondsSince(started);
  record.decodeSteps++;
  return choice;
}

/** Runs a token and chooses the next one. Logits are copied only if log-probabilities are requested. */
async function step(task: GenerateTask, id: number): Promise<Choice | undefined> {
  const { sequence, sampler, options } = task;
  if (options.logProbabilities !== undefined) return chooseFrom(task, await sequence.next(id));
  const [chosen] = await sequence.choose(
    id,
    sampler.next(() => [...sequence.tokens.slice(1 - PENALTY_WINDOW), id]),
  );
  return goesOn(task, chosen) ? { id: chosen } : undefined;
}

/** Returns false if the generation ends; the record then has the finish reason. */
function goesOn({ options, endOfGeneration, record }: GenerateTask, id: number): boolean {
  if (options.maxTokens === 0) record.finishReason = 'length';
  else if (endOfGeneration.has(id)) record.finishReason = 'stop';
  return record.finishReason === undefined;
}

/** @param logits [V], may be changed @returns undefined if the generation ends instead */
function chooseFrom(task: GenerateTask, logits: Float32Array): Choice | undefined {
  const { sequence, options, sampler } = task;
  const count = options.logProbabilities;
  const raw = count === undefined ? logits : logits.slice();
  const id = sampler.pick(logits, sequence.tokens);
  if (!goesOn(task, id)) return undefined;
  if (count === undefined) return { id };
  const normalizer = logNormalizer(raw);
  const logProbability = raw[id] - normalizer;
  return { id, logProbability: { id, logProbability, topLogProbs: topLogProbs(raw, normalizer, count) } };
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}
