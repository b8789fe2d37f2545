/** The loop that makes text: computes a prompt, then chooses and computes token by token. */
import type { ChoiceRule } from '../sampling/chooseToken.ts';
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
  readonly options: Pick<GenerateOptions, 'maxTokens' | 'logProbabilities' | 'signal' | 'onProgress'>;
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
  const { sequence, writer, record, options } = task;
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
  } finally {
    sequence.end();
  }
  const rest = writer.flush();
  if (rest) yield rest;
  if (record.finishReason === 'aborted') throw options.signal?.reason;
}

/** Computes the part of the prompt that is not in the cache, at least its last token, and samples the first token. */
async function prefill(task: GenerateTask): Promise<Choice | undefined> {
  const { sequence, prompt, record, options } = task;
  const most = prompt.length + (options.maxTokens ?? Number.POSITIVE_INFINITY);
  record.reusedTokens = await sequence.begin(prompt, most, options.signal);
  const started = performance.now();
  const choice = await step(task, prompt.slice(record.reusedTokens));
  record.prefillSeconds = secondsSince(started);
  return choice;
}

/** Samples the token after `id`. */
async function decode(task: GenerateTask, id: number): Promise<Choice | undefined> {
  const { sequence, writer, record, options } = task;
  if (writer.stopped) record.finishReason = 'stop';
  else if (record.ids.length === options.maxTokens) record.finishReason = 'length';
  else if (sequence.tokens.length === sequence.room) record.finishReason = 'context';
  if (record.finishReason) return undefined;
  const started = performance.now();
  const choice = await step(task, [id]);
  record.decodeSeconds += secondsSince(started);
  record.decodeSteps++;
  return choice;
}

/** Runs tokens and chooses the next one; logits are fetched only if probabilities are wanted. */
async function step(task: GenerateTask, tokens: readonly number[]): Promise<Choice | undefined> {
  const { sequence, sampler, options, endOfGeneration, record } = task;
  const { logProbabilities: count } = options;
  let logits: Float32Array | undefined;
  const onLogits = (values: Float32Array) => {
    logits = values;
  };
  const rule: ChoiceRule = sampler.next(() => [...sequence.tokens, ...tokens].slice(-PENALTY_WINDOW));
  const id = await sequence.choose(tokens, rule, options, count === undefined ? undefined : onLogits);
  if (options.maxTokens === 0) record.finishReason = 'length';
  else if (endOfGeneration.has(id)) record.finishReason = 'stop';
  if (record.finishReason) return undefined;
  if (count === undefined || !logits) return { id };
  const normalizer = logNormalizer(logits);
  const logProbability = {
    id,
    logProbability: logits[id]! - normalizer,
    topLogProbs: topLogProbs(logits, normalizer, count),
  };
  return { id, logProbability };
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}
