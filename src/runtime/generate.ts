/** The loop that makes text: computes a prompt, then chooses and computes token by token. */
import type { ChoiceRule } from '../sampling/chooseToken.ts';
import { logNormalizer, topLogProbs } from '../sampling/logProbabilities.ts';
import { PENALTY_WINDOW } from '../sampling/repetitionPenalty.ts';
import type { Sampler } from '../sampling/sampler.ts';
import type { Drafts } from './drafting/drafts.ts';
import type { EarlyDecoder } from './exits/earlyDecoder.ts';
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
  /** Default: nothing is drafted. */
  readonly drafts?: Drafts;
  /** Default: tokens run through all layers. */
  readonly early?: EarlyDecoder;
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
    let choices = await prefill(task);
    while (choices.length > 0) {
      for (const { id, logProbability } of choices) {
        // the others of a verified step come after the end
        if (isFinished(task, id)) break;
        const piece = writer.push(id, logProbability);
        task.drafts?.append(id);
        if (piece) yield piece;
      }
      choices = await decode(task);
    }
  } catch (error) {
    if (!options.signal?.aborted || error !== options.signal.reason) throw error;
    record.finishReason = 'aborted';
  } finally {
    if (task.early) sequence.rewind(sequence.tokens.length - sequence.waiting);
    if (task.drafts || task.early) forgetTheRest(task);
    task.drafts?.end();
    sequence.end();
  }
  const rest = writer.flush();
  if (rest) yield rest;
  if (record.finishReason === 'aborted') throw options.signal?.reason;
}

/** Computes the part of the prompt that is not in the cache, at least its last token, and samples the first token. */
async function prefill(task: GenerateTask): Promise<readonly Choice[]> {
  const { sequence, prompt, record, options } = task;
  const most = prompt.length + (options.maxTokens ?? Number.POSITIVE_INFINITY);
  record.reusedTokens = await sequence.begin(prompt, most, options.signal);
  const started = performance.now();
  const choices = await step(task, prompt.slice(record.reusedTokens));
  record.prefillSeconds = secondsSince(started);
  return choices;
}

/** Sets the reason if the text ends before the token `id`. */
function isFinished({ writer, record, options, endOfGeneration }: GenerateTask, id: number): boolean {
  if (writer.stopped) record.finishReason ??= 'stop';
  else if (options.maxTokens !== undefined && record.ids.length >= options.maxTokens) record.finishReason ??= 'length';
  else if (endOfGeneration.has(id)) {
    record.finishReason ??= 'stop';
    record.endedByToken = true;
  }
  return record.finishReason !== undefined;
}

/** Samples the tokens after the last one of the text: one, or more if drafts were right. */
async function decode(task: GenerateTask): Promise<readonly Choice[]> {
  const { sequence, writer, record, options } = task;
  if (record.finishReason) return [];
  if (writer.stopped) record.finishReason = 'stop';
  else if (record.ids.length === options.maxTokens) record.finishReason = 'length';
  else if (sequence.tokens.length === sequence.room) record.finishReason = 'context';
  if (record.finishReason) return [];
  const id = record.ids.at(-1)!;
  const [began, asked] = [performance.now(), sequence.clock()];
  const { early } = task;
  const choices = early && !early.isWhole ? await decodeEarly(task, early, id) : await decodeWhole(task, id);
  record.decodeSeconds += secondsSince(began);
  record.decodedTokens += choices.length;
  sequence.observeTokens(choices.length, (sequence.clock() - asked) / 1000);
  return choices;
}

/** Decodes with all layers, and drafts if that pays. */
async function decodeWhole(task: GenerateTask, id: number): Promise<readonly Choice[]> {
  const { sequence, record, options, drafts, early } = task;
  if (early?.isBroken) record.exitProblem = 'more tokens differed from the whole model than was promised';
  await early?.finish(sequence, options.signal);
  const drafted = (await drafts?.propose(roomForDrafts(task), options.signal)) ?? [];
  // pauses say nothing of what a step costs
  const started = sequence.clock();
  const choices = drafted.length > 0 ? await verify(task, id, drafted) : await step(task, [id]);
  const seconds = (sequence.clock() - started) / 1000;
  record.draftedTokens += drafted.length;
  record.acceptedTokens += choices.length - 1;
  drafts?.observe(drafted.length, choices.length - 1, seconds);
  early?.observeWhole(seconds);
  return choices;
}

/** Decodes with the early exit. */
async function decodeEarly(task: GenerateTask, early: EarlyDecoder, id: number): Promise<readonly Choice[]> {
  const { sequence, record, sampler, options } = task;
  const rules: ChoiceRule[] = [];
  const rule = (last: number): ChoiceRule => {
    const past = () => [...sequence.tokens, last].slice(-PENALTY_WINDOW);
    rules.push(sampler.next(past));
    return rules.at(-1)!;
  };
  const { ids, exited, drafted, accepted } = await early.decode(
    sequence,
    id,
    rule,
    roomForDrafts(task) + 1,
    options.signal,
  );
  sampler.putBack(rules.slice(ids.length));
  record.exitedTokens += exited;
  record.draftedTokens += drafted;
  record.acceptedTokens += accepted;
  return ids.map((chosen) => ({ id: chosen }));
}

/** Drafts that fit into the reserved positions and into a step. */
function roomForDrafts({ sequence, record, options }: GenerateTask): number {
  const { maxTokens = Number.POSITIVE_INFINITY } = options;
  return Math.min(
    sequence.room - sequence.tokens.length - 1,
    maxTokens - record.ids.length - 1,
    sequence.maxRows - 1,
    sequence.maxTokens - 1,
  );
}

/** Runs tokens and chooses the next one; logits are fetched only if probabilities are wanted. */
async function step(task: GenerateTask, tokens: readonly number[]): Promise<readonly Choice[]> {
  const { sequence, sampler, options } = task;
  let logits: Float32Array | undefined;
  const onLogits = (values: Float32Array) => {
    logits = values;
  };
  const rule: ChoiceRule = sampler.next(() => [...sequence.tokens, ...tokens].slice(-PENALTY_WINDOW));
  const isWanted = options.logProbabilities !== undefined;
  const id = await sequence.choose(tokens, rule, options, isWanted ? onLogits : undefined);
  return [choiceOf(id, logits, options)];
}

/** Runs the token and its drafts in one step. The choices are the same as of steps of one token, random numbers included. */
async function verify(task: GenerateTask, id: number, drafts: readonly number[]): Promise<readonly Choice[]> {
  const { sequence, sampler, options } = task;
  const logits: Float32Array[] = [];
  const onLogits = (row: number, values: Float32Array) => {
    logits[row] = values.slice();
  };
  const before = () => [...sequence.tokens.slice(-PENALTY_WINDOW), id];
  const rules = [id, ...drafts].map((_, i) =>
    sampler.next(() => [...before(), ...drafts.slice(0, i)].slice(-PENALTY_WINDOW)),
  );
  const isWanted = options.logProbabilities !== undefined;
  const ids = await sequence.verify(id, drafts, rules, options, isWanted ? onLogits : undefined);
  sampler.putBack(rules.slice(ids.length));
  return ids.map((chosen, row) => choiceOf(chosen, logits[row], options));
}

function choiceOf(id: number, logits: Float32Array | undefined, options: GenerateTask['options']): Choice {
  const { logProbabilities: count } = options;
  if (count === undefined || !logits) return { id };
  const normalizer = logNormalizer(logits);
  const logProbability = {
    id,
    logProbability: logits[id] - normalizer,
    topLogProbs: topLogProbs(logits, normalizer, count),
  };
  return { id, logProbability };
}

/** Accepted drafts behind the end of the text do not belong to the conversation. */
function forgetTheRest({ sequence, prompt, record }: GenerateTask): void {
  sequence.rewind(Math.max(prompt.length, prompt.length + record.ids.length - (record.endedByToken ? 0 : 1)));
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}
