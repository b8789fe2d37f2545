/** Scores documents for a query with a cross-encoder: both texts in one sequence, a classifier on its first token. */
import { nextTask } from '#leaf/runtime/nextTask';
import { ContextError, UnsupportedError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { EncodedPair } from '../tokenizer/tokenizer.ts';
import { abortSignal, callback, checkOptions, oneOf, type Rules } from './checkOptions.ts';
import { sequenceInputs } from './embed.ts';
import type { Engine } from './engine.ts';

export interface RankOptions {
  /** Handling of a document that does not fit together with the query: throw (default), or cut its end. */
  readonly truncate?: 'error' | 'end';
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface RankedDocument {
  /** Index in the list of documents. */
  readonly index: number;
  /** The classifier's output (the last one if it has several labels). Higher is better. */
  readonly score: number;
}

const RULES: Rules<RankOptions> = { truncate: oneOf(['error', 'end']), signal: abortSignal, onProgress: callback };

/** Returns the classifier's outputs [L] for each encoded text or pair of texts. */
export async function classify(
  engine: Engine,
  inputs: readonly EncodedPair[],
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const { program } = engine;
  if (!program.graph.outputs.has('scores'))
    throw new UnsupportedError(`${engine.name}: ranking with`, 'a model without a ranking head', ['cross-encoders']);
  const found: Float32Array[] = [];
  for (const { ids, types } of inputs) {
    await nextTask();
    signal?.throwIfAborted();
    engine.checkTokens(ids, 'the text');
    const result = program.run({
      tokens: ids,
      rows: [0],
      outputs: ['scores'],
      inputs: sequenceInputs(engine, [ids], [types]),
    });
    found.push(Float32Array.from(await result.output('scores')));
    result.release();
  }
  return found;
}

export async function rank(
  engine: Engine,
  query: string,
  documents: readonly string[],
  options: RankOptions,
): Promise<RankedDocument[]> {
  checkOptions(options, RULES);
  const found: RankedDocument[] = [];
  for (const [index, document] of documents.entries()) {
    const pair = pairOf(engine, query, document, index, options.truncate);
    const [scores] = await classify(engine, [pair], options.signal);
    found.push({ index, score: scores!.at(-1)! });
    options.onProgress?.({ stage: 'rank', done: index + 1, total: documents.length, unit: 'texts' });
  }
  return found.sort((a, b) => b.score - a.score || a.index - b.index);
}

function pairOf(engine: Engine, query: string, document: string, index: number, truncate = 'error'): EncodedPair {
  const { tokenizer, context } = engine;
  let pair = tokenizer.encodePair(query, document);
  if (pair.ids.length > context && truncate === 'end') {
    // cut the document's text where the excess tokens begin
    const ids = tokenizer.encode(document, { addBos: false, addEos: false });
    const kept = ids.length - (pair.ids.length - context);
    if (kept > 0) pair = tokenizer.encodePair(query, tokenizer.decode(ids.slice(0, kept), { special: true }));
  }
  if (pair.ids.length <= context) return pair;
  const message = `the query and document ${index} have ${pair.ids.length} tokens, but the model takes ${context}`;
  throw new ContextError(message, pair.ids.length, context);
}
