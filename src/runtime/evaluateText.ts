/** How well a model predicts a text, and how close it comes to another model: as llama-perplexity measures them. */
import { ContextError, OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import { greedy } from '../sampling/greedy.ts';
import { klDivergence } from '../sampling/klDivergence.ts';
import { logNormalizer } from '../sampling/logProbabilities.ts';
import { type PartRule, textParts } from '../tokenizer/textParts.ts';
import { abortSignal, callback, checkOptions, wholeNumber } from './checkOptions.ts';
import type { Model } from './model.ts';
import type { Sequence } from './sequence.ts';
import { mean, quantile, standardError } from './statistics.ts';

export interface EvaluateTextOptions {
  /** Tokens of a chunk; each is predicted from those before it in its chunk only. Default 512, or the model's context. */
  readonly context?: number;
  /** Scores every token but the first of a chunk, a last short chunk included; otherwise the second half of whole chunks. */
  readonly all?: boolean;
  /**
   * What stands between documents: each is then predicted by itself, to its end, and every token but its first is scored.
   * Special tokens that are written in them count as such.
   */
  readonly separator?: string;
  /** With a separator: only parts of each document are scored, such as the replies of a conversation. */
  readonly parts?: PartRule;
  /** Takes only so many tokens of the text, or documents until they have so many. */
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

/** A stretch of the text that is evaluated from an empty past. */
interface Chunk {
  readonly tokens: readonly number[];
  /** Those whose next tokens are scored, ascending; none of them is the last. */
  readonly rows: readonly number[];
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
  if (parts && separator === undefined) throw new OptionError('parts', 'given', 'a separator of documents beside it');
  const chunks = separator === undefined ? chunksOf(model, text, size, options) : documents(model, text, size, options);
  const total = chunks.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const scores: Scores = { logLikelihoods: [], divergences: [], bytes: 0, agreements: 0 };
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

function chunksOf({ tokenizer }: Model, text: string, size: number, { all, maxTokens }: EvaluateTextOptions): Chunk[] {
  const ids = tokenizer.encode(text, { special: false, addEos: false }).slice(0, maxTokens);
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

/** Of each document; those that are longer than a chunk are cut, and their parts see nothing of each other. */
function documents(
  { tokenizer }: Model,
  text: string,
  size: number,
  { separator = '', parts: rule, maxTokens = Number.POSITIVE_INFINITY }: EvaluateTextOptions,
): Chunk[] {
  const { bos, eos } = tokenizer;
  const chunks: Chunk[] = [];
  let taken = 0;
  for (const document of text.split(separator).map((piece) => piece.trim())) {
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
  const found = rule ? `without any part behind ${JSON.stringify(rule.after)}` : 'empty';
  throw new OptionError('the text', found, 'documents with something to score');
}

/** Runs all sequences over the chunk in lockstep, a few rows at a time, so that only their logits need be in memory. */
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
      // copied, since whatever else uses the model may run between two steps
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
  // what ends a text is no byte of it
  scores.bytes += tokenizer.endOfGeneration.has(token) ? 0 : tokenizer.bytes(token).length;
  if (!reference) return;
  scores.divergences.push(klDivergence(reference, logits));
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
