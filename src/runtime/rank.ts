/** Scores documents for a query with a reranker: both texts in one sequence, and a classifier on one token or on their mean. */
import { ContextError, OptionError, UnsupportedError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import { isInput } from '../graph/ops/input.ts';
import { POOLED } from '../models/parts/classifier.ts';
import type { EncodedPair } from '../tokenizer/tokenizer.ts';
import { abortSignal, callback, checkOptions, oneOf, type Rules } from './checkOptions.ts';
import { sequenceInputs } from './embed.ts';
import type { Engine } from './engine.ts';

export interface RankOptions {
  /** Handling of a document that does not fit together with the query: throw (default), or cut its end. */
  readonly truncate?: 'error' | 'end';
  /** Text that the model reads, with {query} and {document} in place of the texts. Default: the file's. */
  readonly template?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface RankedDocument {
  /** Index in the list of documents. */
  readonly index: number;
  /** Higher is better. The classifier's output (the last one if it has several labels), or the probability of a yes. */
  readonly score: number;
}

const RULES: Rules<RankOptions> = {
  truncate: oneOf(['error', 'end']),
  template: {
    expected: 'a text with {query} and {document}',
    accepts: (value) => typeof value === 'string' && value.includes('{query}') && value.includes('{document}'),
  },
  signal: abortSignal,
  onProgress: callback,
};

/** Returns the classifier's outputs [L] for each encoded text or pair of texts. */
export async function classify(
  engine: Engine,
  inputs: readonly EncodedPair[],
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  if (!engine.program.graph.outputs.has('scores'))
    throw new UnsupportedError(`${engine.name}: ranking with`, 'a model without a classifier', ['rerankers']);
  const found: Float32Array[] = [];
  for (const input of inputs) {
    signal?.throwIfAborted();
    engine.checkTokens(input.ids, 'the text');
    found.push(
      await (engine.isEncoder ? encoderScores(engine, input, signal) : decoderScores(engine, input.ids, signal)),
    );
  }
  return found;
}

async function encoderScores(
  { program, scheduler }: Engine,
  { ids, types }: EncodedPair,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const inputs = sequenceInputs(program.graph, [ids], [types]);
  const run = (output: string, rows: readonly number[], more: Record<string, Float32Array> = {}) =>
    scheduler.runBatch({ tokens: ids, rows, inputs: { ...inputs, ...more } }, output, signal);
  const readsMean = program.graph.nodes.some((node) => isInput(node) && node.attributes.name === POOLED);
  if (!readsMean) return run('scores', [0]);
  const hidden = await run('hidden', [...ids.keys()]);
  const width = hidden.length / ids.length;
  const mean = new Float32Array(width);
  for (const [i, value] of hidden.entries()) mean[i % width] += value / ids.length;
  return run('scores', [0], { [POOLED]: mean });
}

/** A decoder's classifier reads the last token, the only one that sees all others. */
async function decoderScores(engine: Engine, tokens: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
  const sequence = engine.sequence();
  try {
    let scores: Float32Array | undefined;
    const onRow = (_: number, values: Float32Array): void => {
      scores = values.slice();
    };
    await sequence.reserve(tokens.length, signal);
    await sequence.advance(tokens, { rows: [tokens.length - 1], output: 'scores', onRow, signal });
    return scores!;
  } finally {
    sequence.free();
  }
}

export async function rank(
  engine: Engine,
  query: string,
  documents: readonly string[],
  options: RankOptions,
): Promise<RankedDocument[]> {
  checkOptions(options, RULES);
  const { yesOrNo = false, template: own } = engine.embedding.ranking ?? {};
  const template = options.template ?? own;
  if (!engine.isEncoder && template === undefined)
    throw new OptionError('template', 'missing', 'the text that this reranker was trained with: its file has none');
  const found: RankedDocument[] = [];
  for (const [index, document] of documents.entries()) {
    const input = inputFor(engine, query, document, { index, template, truncate: options.truncate });
    const [scores] = await classify(engine, [input], options.signal);
    found.push({ index, score: yesOrNo ? probabilityOfYes(scores) : scores.at(-1)! });
    options.onProgress?.({ stage: 'rank', done: index + 1, total: documents.length, unit: 'texts' });
  }
  return found.sort((a, b) => b.score - a.score || a.index - b.index);
}

/** softmax([yes, no])[0] */
const probabilityOfYes = ([yes, no]: Float32Array): number => 1 / (1 + Math.exp(no - yes));

interface Input {
  readonly index: number;
  readonly template: string | undefined;
  readonly truncate?: 'error' | 'end';
}

/** Encodes a query and a document. A document that is too long is cut where the excess tokens begin. */
function inputFor(engine: Engine, query: string, document: string, { index, template, truncate }: Input): EncodedPair {
  const { tokenizer, context } = engine;
  const encode = (text: string): EncodedPair => {
    if (template === undefined) return tokenizer.encodePair(query, text);
    const ids = tokenizer.encode(filled(template, query, text), { addBos: false, addEos: false });
    return { ids, types: ids.map(() => 0) };
  };
  let input = encode(document);
  if (input.ids.length > context && truncate === 'end') {
    const ids = tokenizer.encode(document, { addBos: false, addEos: false });
    // the text of some tokens may have more tokens than they were
    for (let kept = ids.length; kept > 0 && input.ids.length > context; ) {
      kept = Math.max(0, kept - (input.ids.length - context));
      input = encode(tokenizer.decode(ids.slice(0, kept), { special: true }));
    }
  }
  if (input.ids.length <= context) return input;
  const advice = "shorten the document, or cut it with truncate: 'end'";
  const message = `the query and document ${index} have ${input.ids.length} tokens, but the model takes ${context}: ${advice}`;
  throw new ContextError(message, input.ids.length, context);
}

/** Replaces both places at once, as a query may contain '{document}'. */
const filled = (template: string, query: string, document: string): string =>
  template.replace(/\{(query|document)\}/g, (_, place) => (place === 'query' ? query : document));
