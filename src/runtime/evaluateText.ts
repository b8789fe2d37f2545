/** How well a model predicts a text, and how close it comes to another model: as llama-perplexity measures them. */
import { ContextError, OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import { abortSignal, callback, checkOptions, wholeNumber } from './checkOptions.ts';
import type { Model } from './model.ts';
import { divergence } from './sampling/divergence.ts';
import { greedy } from './sampling/greedy.ts';
import { logNormalizer } from './sampling/logProbabilities.ts';
import { mean, quantile, standardError } from './statistics.ts';
import type { Timeline } from './timeline.ts';

export interface EvaluateTextOptions {
  /** Tokens of a chunk; each is predicted from those before it in its chunk only. Default 512, or the model's context. */
  readonly context?: number;
  /** Scores every token but the first of a chunk, a last short chunk included; otherwise the second half of whole chunks. */
  readonly all?: boolean;
  /** Takes only so many tokens of the text. */
  readonly maxTokens?: number;
  /** A model with the same vocabulary, to be compared with. */
  readonly reference?: Model;
  readonly signal?: AbortSignal;
  /** Stage 'evaluate'. */
  readonly onProgress?: OnProgress;
}

export interface TextEvaluation {
  /** How many were scored. */
  readonly tokens: number;
  /** Mean negative log-likelihood of a token, in nats. */
  readonly nll: number;
  /** e^nll. */
  readonly perplexity: number;
  /** The same per byte of the scored tokens, in bits: comparable between vocabularies. */
  readonly bitsPerByte: number;
  /** Divergence from the reference model in nats per token: its mean, the standard error of that, its 99th percentile. */
  readonly kld?: { readonly mean: number; readonly sigma: number; readonly p99: number };
  /** Share of tokens where both models find the same one likeliest. */
  readonly top1?: number;
}

/** A part of the text that is evaluated from an empty past: rows from `firstRow` on predict the token after them. */
interface Chunk {
  readonly tokens: readonly number[];
  readonly firstRow: number;
}

/** What was summed up so far. */
interface Scores {
  readonly logLikelihoods: number[];
  readonly divergences: number[];
  bytes: number;
  agreements: number;
}

/** @throws {OptionError}; {ContextError} where chunks are longer than a model's context; the signal's reason */
export async function evaluateText(
  model: Model,
  text: string,
  options: EvaluateTextOptions = {},
): Promise<TextEvaluation> {
  checkOptions(options, {
    context: wholeNumber(2),
    all: { expected: 'a boolean', accepts: (value) => typeof value === 'boolean' },
    maxTokens: wholeNumber(2),
    reference: { expected: 'a model', accepts: (value) => typeof value === 'object' },
    signal: abortSignal,
    onProgress: callback,
  });
  const models = options.reference ? [model, options.reference] : [model];
  const size = options.context ?? Math.min(512, ...models.map(({ context }) => context));
  checkModels(models, size);
  const ids = model.tokenizer.encode(text, { special: false, addEos: false }).slice(0, options.maxTokens);
  const chunks = chunksOf(model, ids, size, options.all ?? false);
  const scores: Scores = { logLikelihoods: [], divergences: [], bytes: 0, agreements: 0 };
  const timelines = models.map((each) => each.timeline());
  try {
    let done = 0;
    for (const chunk of chunks) {
      await scoreChunk(model, chunk, timelines, scores, options.signal);
      done += chunk.tokens.length;
      options.onProgress?.({ stage: 'evaluate', done, total: chunks.length * size, unit: 'tokens' });
    }
  } finally {
    for (const timeline of timelines) timeline.free();
  }
  return summarize(scores, options.reference !== undefined);
}

function checkModels(models: readonly Model[], size: number): void {
  for (const { context, summary } of models) {
    if (size > context) {
      const message = `chunks have ${size} tokens but the context of ${summary.source} holds ${context}`;
      throw new ContextError(message, size, context);
    }
    const { vocabulary } = models[0].summary;
    if (summary.vocabulary !== vocabulary)
      throw new OptionError('vocabulary of the reference model', summary.vocabulary, `${vocabulary}, the model's own`);
  }
}

function chunksOf({ tokenizer }: Model, ids: readonly number[], size: number, all: boolean): Chunk[] {
  const count = all ? Math.ceil(ids.length / size) : Math.floor(ids.length / size);
  const chunks = Array.from({ length: count }, (_, i): Chunk => {
    const tokens = ids.slice(i * size, (i + 1) * size);
    if (tokenizer.addBos && tokenizer.bos !== undefined) tokens[0] = tokenizer.bos;
    return { tokens, firstRow: all ? 0 : Math.floor(size / 2) };
  }).filter(({ tokens, firstRow }) => tokens.length > firstRow + 1);
  if (chunks.length > 0) return chunks;
  throw new OptionError(
    'the text',
    `${ids.length} tokens long`,
    all ? 'at least 2 tokens' : `at least a chunk of ${size}`,
  );
}

/** Runs all timelines over the chunk in lockstep, a few rows at a time, so that only their logits need be in memory. */
async function scoreChunk(
  model: Model,
  { tokens, firstRow }: Chunk,
  timelines: readonly Timeline[],
  scores: Scores,
  signal?: AbortSignal,
): Promise<void> {
  const step = Math.min(...timelines.map(({ maxRows }) => maxRows));
  for (const timeline of timelines) {
    timeline.rewind(0);
    await timeline.advance(tokens.slice(0, firstRow), { rows: [], output: 'logits', onRow: () => {}, signal });
  }
  for (let row = firstRow; row + 1 < tokens.length; row += step) {
    const part = tokens.slice(row, Math.min(row + step, tokens.length - 1));
    const logits: Float32Array[][] = [];
    for (const timeline of timelines) {
      const rows: Float32Array[] = [];
      // copied, since whatever else uses the model may run between two steps
      const onRow = (_: number, values: Float32Array) => rows.push(values.slice());
      await timeline.advance(part, { rows: [...part.keys()], output: 'logits', onRow, signal });
      logits.push(rows);
    }
    for (const i of part.keys()) scoreToken(model, tokens[row + i + 1], logits[0][i], logits[1]?.[i], scores);
  }
}

function scoreToken(
  { tokenizer }: Model,
  token: number,
  logits: Float32Array,
  reference: Float32Array | undefined,
  scores: Scores,
): void {
  scores.logLikelihoods.push(logits[token] - logNormalizer(logits));
  scores.bytes += tokenizer.bytes(token).length;
  if (!reference) return;
  scores.divergences.push(divergence(reference, logits));
  if (greedy(reference) === greedy(logits)) scores.agreements++;
}

function summarize({ logLikelihoods, divergences, bytes, agreements }: Scores, compared: boolean): TextEvaluation {
  const nll = -mean(logLikelihoods);
  const tokens = logLikelihoods.length;
  const scored = { tokens, nll, perplexity: Math.exp(nll), bitsPerByte: (nll * tokens) / Math.LN2 / bytes };
  if (!compared) return scored;
  const kld = { mean: mean(divergences), sigma: standardError(divergences), p99: quantile(divergences, 0.99) };
  return { ...scored, kld, top1: agreements / tokens };
}
