/** Perplexity of a text and KL divergence from a reference model, measured as llama-perplexity does. */
import { ContextError, OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import { greedy } from '../sampling/greedy.ts';
import { klDivergence } from '../sampling/klDivergence.ts';
import { logNormalizer } from '../sampling/logProbabilities.ts';
import { firstIds } from '../tokenizer/firstIds.ts';
import { type PartRule, textParts } from '../tokenizer/textParts.ts';
import { abortSignal, callback, checkOptions, wholeNumber } from './checkOptions.ts';
import { encodeAlike } from './drafting/sameTokens.ts';
import type { Model } from './model.ts';
import type { Sequence } from './sequence.ts';
import { mean, quantile, standardError } from './statistics.ts';

export interface EvaluateTextOptions {
  /** Chunk length in tokens. A token sees only the tokens before it in its chunk. Default 512, limited by the model's context. */
  readonly context?: number;
  /** Score all tokens but the first of each chunk, including the last incomplete chunk. Default: the second half of complete chunks. */
  readonly all?: boolean;
  /**
   * Separator between documents. Each document is evaluated on its own, and all of its tokens but the first are scored.
   * Special tokens in the text are parsed.
   */
  readonly separator?: string;
  /** With `separator`: score only parts of each document, e.g. the replies of a conversation. */
  readonly parts?: PartRule;
  /** Maximum number of tokens to read. With `separator`, stops after the document that reaches it. */
  readonly maxTokens?: number;
  /** Reference model with the same vocabulary. */
  readonly reference?: Model;
  readonly signal?: AbortSignal;
  /** Progress with stage 'evaluate'. */
  readonly onProgress?: OnProgress;
}

export interface TextEvaluation {
  /** Number of scored tokens. */
  readonly tokens: number;
  /** Mean negative log-likelihood per token, in nats. */
  readonly nll: number;
  /** e^nll */
  readonly perplexity: number;
  /** Mean negative log-likelihood per byte, in bits. Comparable between vocabularies. */
  readonly bitsPerByte: number;
  /** KL divergence from the reference model. */
  readonly kld?: Divergence;
  /** Perplexity of the reference model. */
  readonly referencePerplexity?: number;
  /** Fraction of tokens for which both models have the same most likely token. */
  readonly top1?: number;
}

/** KL divergences in nats per token: mean, its standard error, percentiles and maximum. */
export interface Divergence {
  readonly mean: number;
  readonly sigma: number;
  readonly median: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Part of the text that is evaluated with an empty cache. */
interface Chunk {
  readonly tokens: readonly number[];
  /** Rows whose next tokens are scored, ascending. Never the last row. */
  readonly rows: readonly number[];
}

/** Running totals. */
interface Scores {
  readonly logLikelihoods: number[];
  readonly referenceLogLikelihoods: number[];
  readonly divergences: number[];
  bytes: number;
  agreements: number;
}

/** @throws {OptionError} @throws {ContextError} if chunks are longer than a model's context @throws the signal's reason */
export async function evaluateText(
  model: Model,
  text: string,
  options: EvaluateTextOptions = {},
): Promise<TextEvaluation> {
  checkOptions(options, {
    context: wholeNumber(2),
    all: { expected: 'a boolean', accepts: (value) => typeof value === 'boolean' },
    separator: { expected: 'a text', accepts: (value) => typeof value === 'string' && value !== '' },
    parts: { expected: 'after and until', accepts: (value) => typeof value === 'object' },
    maxTokens: wholeNumber(2),
    reference: { expected: 'a model', accepts: (value) => typeof value === 'object' },
    signal: abortSignal,
    onProgress: callback,
  });
  const models = options.reference ? [model, options.reference] : [model];
  const size = options.context ?? Math.min(512, ...models.map(({ context }) => context));
  checkModels(models, size);
  const { separator, parts } = options;
  if (parts && separator === undefined) throw new OptionError('parts', 'set', 'separator to be set too');
  const chunks = separator === undefined ? chunksOf(model, text, size, options) : documents(model, text, size, options);
  const total = chunks.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const scores: Scores = { logLikelihoods: [], referenceLogLikelihoods: [], divergences: [], bytes: 0, agreements: 0 };
  const sequences = models.map((each) => each.sequence());
  try {
    let done = 0;
    for (const chunk of chunks) {
      await scoreChunk(model, chunk, sequences, scores, options.signal);
      done += chunk.tokens.length;
      options.onProgress?.({ stage: 'evaluate', done, total, unit: 'tokens' });
    }
  } finally {
    for (const sequence of sequences) sequence.free();
  }
  return summarize(scores, options.reference !== undefined);
}

/** Divergences between models with other tokens mean nothing. */
function checkModels(models: readonly Model[], size: number): void {
  for (const { context, summary } of models) {
    if (size > context) {
      const message = `chunks have ${size} tokens but the context of ${summary.source} holds ${context}`;
      throw new ContextError(message, size, context);
    }
    const { vocabulary } = models[0].summary;
    if (summary.vocabulary !== vocabulary)
      throw new OptionError('vocabulary of the reference model', summary.vocabulary, `${vocabulary} like the model's`);
  }
  if (encodeAlike(...models)) return;
  const [model, reference] = models.map(({ summary }) => summary.source);
  throw new OptionError('reference', `${reference}, which encodes texts differently`, `the tokenizer of ${model}`);
}

function chunksOf({ tokenizer }: Model, text: string, size: number, { all, maxTokens }: EvaluateTextOptions): Chunk[] {
  const ids = firstIds(tokenizer, text, maxTokens ?? Number.POSITIVE_INFINITY, { special: false, addEos: false });
  const count = all ? Math.ceil(ids.length / size) : Math.floor(ids.length / size);
  const first = all ? 0 : Math.floor(size / 2);
  const chunks = Array.from({ length: count }, (_, i): Chunk => {
    const tokens = ids.slice(i * size, (i + 1) * size);
    if (tokenizer.addBos && tokenizer.bos !== undefined) tokens[0] = tokenizer.bos;
    return { tokens, rows: [...tokens.keys()].slice(first, -1) };
  }).filter(({ rows }) => rows.length > 0);
  if (chunks.length > 0) return chunks;
  throw new OptionError(
    'the text',
    `${ids.length} tokens long`,
    all ? 'at least 2 tokens' : `at least a chunk of ${size}`,
  );
}

/** Line breaks of the separator match those of Windows (\r\n), too. */
function separatorPattern(separator: string): RegExp {
  return new RegExp(separator.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&').replaceAll('\n', '\\r?\\n'));
}

/** Chunks of each document. A document longer than a chunk is split; its chunks do not see each other. */
function documents(
  { tokenizer }: Model,
  text: string,
  size: number,
  { separator = '', parts: rule, maxTokens = Number.POSITIVE_INFINITY }: EvaluateTextOptions,
): Chunk[] {
  const { bos, eos } = tokenizer;
  const chunks: Chunk[] = [];
  let taken = 0;
  for (const document of text.split(separatorPattern(separator)).map((piece) => piece.trim())) {
    if (document === '' || taken >= maxTokens) continue;
    const parts = textParts(rule, tokenizer);
    const ids = tokenizer.encode(document, { addBos: false, addEos: false });
    const counts = parts.mark(document, ids);
    if (tokenizer.addBos && bos !== undefined && ids[0] !== bos) {
      ids.unshift(bos);
      counts.unshift(false);
    }
    if (eos !== undefined && ids.at(-1) !== eos) {
      ids.push(eos);
      counts.push(parts.inside);
    }
    taken += ids.length;
    for (let from = 0; from < ids.length; from += size) {
      const tokens = ids.slice(from, from + size);
      const rows = [...tokens.keys()].slice(0, -1).filter((row) => counts[from + row + 1]);
      if (rows.length > 0) chunks.push({ tokens, rows });
    }
  }
  if (chunks.length > 0) return chunks;
  const found = rule ? `without ${JSON.stringify(rule.after)}` : 'empty';
  throw new OptionError('the text', found, 'documents with tokens to score');
}

/** Runs all sequences over the chunk in lockstep, a few rows at a time, so that only their logits are in memory. */
async function scoreChunk(
  model: Model,
  { tokens, rows }: Chunk,
  sequences: readonly Sequence[],
  scores: Scores,
  signal?: AbortSignal,
): Promise<void> {
  const step = Math.min(...sequences.map(({ maxRows }) => maxRows));
  for (const sequence of sequences) {
    sequence.rewind(0);
    await sequence.advance(tokens.slice(0, rows[0]), { rows: [], output: 'logits', onRow: () => {}, signal });
  }
  for (let from = rows[0]; from <= rows.at(-1)!; from += step) {
    const to = Math.min(from + step, rows.at(-1)! + 1);
    const wanted = rows.filter((row) => row >= from && row < to);
    const logits: Float32Array[][] = [];
    for (const sequence of sequences) {
      const found: Float32Array[] = [];
      // copied, because another session of the model may run between two steps
      const onRow = (_: number, values: Float32Array) => found.push(values.slice());
      const options = { rows: wanted.map((row) => row - from), output: 'logits' as const, onRow, signal };
      await sequence.advance(tokens.slice(from, to), options);
      logits.push(found);
    }
    for (const [i, row] of wanted.entries()) scoreToken(model, tokens[row + 1], logits[0][i], logits[1]?.[i], scores);
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
  // an end token has no bytes in the text
  scores.bytes += tokenizer.endOfGeneration.has(token) ? 0 : tokenizer.bytes(token).length;
  if (!reference) return;
  scores.referenceLogLikelihoods.push(reference[token] - logNormalizer(reference));
  scores.divergences.push(klDivergence(reference, logits));
  if (greedy(reference) === greedy(logits)) scores.agreements++;
}

function summarize(
  { logLikelihoods, referenceLogLikelihoods, divergences, bytes, agreements }: Scores,
  compared: boolean,
): TextEvaluation {
  const nll = -mean(logLikelihoods);
  const tokens = logLikelihoods.length;
  const scored = { tokens, nll, perplexity: Math.exp(nll), bitsPerByte: (nll * tokens) / Math.LN2 / bytes };
  if (!compared) return scored;
  const at = (share: number) => quantile(divergences, share);
  const kld = {
    ...{ mean: mean(divergences), sigma: standardError(divergences) },
    ...{ median: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), max: at(1) },
  };
  const referencePerplexity = Math.exp(-mean(referenceLogLikelihoods));
  return { ...scored, kld, referencePerplexity, top1: agreements / tokens };
}
