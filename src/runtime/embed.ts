/** Embeds texts: runs batches of token sequences, then pools, projects and normalizes the outputs. */
import { ContextError, OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import { type DenseLayer, type EmbeddingSettings, POOLINGS, type Pooling } from '../formats/embeddingSettings.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { isInput } from '../graph/ops/input.ts';
import { POSITION_SHIFT, SHIFTED_POSITIONS, TOKEN_TYPES } from '../models/parts/encoder.ts';
import { abortSignal, callback, checkOptions, oneOf, type Rules, trueOrFalse, wholeNumber } from './checkOptions.ts';
import type { Engine } from './engine.ts';

export interface EmbedOptions {
  /** Name of one of the model's prompts, e.g. 'query', whose text is put before each text. Default: the file's default. */
  readonly prompt?: string;
  /** Text to put before each text, in place of a prompt of the model. */
  readonly prefix?: string;
  /** Pooling of the token outputs into one vector. Default: the file's, otherwise 'mean'. */
  readonly pooling?: Pooling;
  /** Scale vectors to length 1. Default: the file's setting, otherwise false. */
  readonly normalize?: boolean;
  /** Number of leading dimensions to keep, for Matryoshka models. Default: all. */
  readonly dimensions?: number;
  /** Handling of a text longer than the context: throw (default), or cut its end. */
  readonly truncate?: 'error' | 'end';
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** A text, or token ids, which get no prefix and no special tokens. */
export type EmbedInput = string | readonly number[];

const RULES: Rules<EmbedOptions> = {
  prompt: { expected: 'the name of a prompt', accepts: (value) => typeof value === 'string' },
  prefix: { expected: 'a text', accepts: (value) => typeof value === 'string' },
  pooling: oneOf(POOLINGS),
  normalize: trueOrFalse,
  dimensions: wholeNumber(1),
  truncate: oneOf(['error', 'end']),
  signal: abortSignal,
  onProgress: callback,
};

export function isEmbedInput(value: EmbedInput | readonly EmbedInput[]): value is EmbedInput {
  return typeof value === 'string' || (value.length > 0 && value.every((entry) => typeof entry === 'number'));
}

/** @returns a vector per input, in order @throws {ContextError} if a text is too long; {OptionError} */
export async function embed(
  engine: Engine,
  settings: EmbeddingSettings,
  inputs: readonly EmbedInput[],
  options: EmbedOptions,
): Promise<Float32Array[]> {
  checkOptions(options, RULES);
  const { normalize = settings.normalize ?? false, dimensions } = options;
  if (settings.unpooled && options.pooling === undefined)
    throw new OptionError(
      'pooling',
      'missing',
      `one of ${POOLINGS.join(', ')}, as the model's file says that it has none`,
    );
  const pooling = options.pooling ?? settings.pooling ?? 'mean';
  const prompt = promptOf(settings, options);
  const sequences = inputs.map((input, index) => idsOf(engine, settings, input, prompt, index, options.truncate));
  // 'cls' and 'last' read one token, wherever the prompt is
  const excluded =
    settings.promptCounts === false && prompt !== '' && pooling !== 'cls' && pooling !== 'last'
      ? engine.tokenizer.encode(textFor(settings, prompt), { addEos: false }).length
      : 0;
  const skips = inputs.map((input) => (typeof input === 'string' ? excluded : 0));
  for (const [index, ids] of sequences.entries())
    if (skips[index] > 0 && ids.length <= skips[index])
      throw new OptionError(
        `text ${index}`,
        `${ids.length} tokens`,
        `more than the ${skips[index]} of its prompt, which pooling excludes`,
      );
  const vectors: Float32Array[] = new Array(inputs.length);
  let done = 0;
  for (const batch of batchesOf(engine, sequences)) {
    options.signal?.throwIfAborted();
    const pools = await hiddenRows(
      engine,
      batch.map((index) => sequences[index]),
      pooling,
      batch.map((index) => skips[index]),
      options.signal,
    );
    for (const [i, index] of batch.entries()) {
      const projected = (settings.dense ?? []).reduce(applyDense, pools[i]);
      vectors[index] = finish(projected, dimensions, normalize);
    }
    done += batch.length;
    options.onProgress?.({ stage: 'embed', done, total: inputs.length, unit: 'texts' });
  }
  return vectors;
}

/** @throws {OptionError} for a prompt that the model does not have */
function promptOf({ prompts = {}, defaultPrompt }: EmbeddingSettings, { prompt, prefix }: EmbedOptions): string {
  if (prompt !== undefined && prefix !== undefined)
    throw new OptionError('prefix', prefix, 'either a prefix or a prompt');
  if (prefix !== undefined) return prefix;
  const name = prompt ?? defaultPrompt;
  if (name === undefined) return '';
  if (Object.hasOwn(prompts, name)) return prompts[name];
  const names = Object.keys(prompts).join(', ') || 'none, as the model has no prompts';
  throw new OptionError('prompt', name, `one of the model's: ${names}; a text to put before each text is a \`prefix\``);
}

/** A text as the model reads it. */
const textFor = ({ lowercase }: EmbeddingSettings, text: string): string => (lowercase ? text.toLowerCase() : text);

function idsOf(
  engine: Engine,
  settings: EmbeddingSettings,
  input: EmbedInput,
  prompt: string,
  index: number,
  truncate: 'error' | 'end' = 'error',
): readonly number[] {
  const limit = Math.min(engine.context, settings.maxLength ?? engine.context);
  const text = typeof input === 'string' ? textFor(settings, prompt + input) : '';
  const ids = typeof input === 'string' ? engine.tokenizer.encode(text) : input;
  const what = `text ${index}`;
  if (ids.length > limit && truncate === 'end') {
    // keep the special tokens at both ends
    const bare = typeof input === 'string' ? engine.tokenizer.encode(text, { addBos: false, addEos: false }) : ids;
    const without = typeof input === 'string' ? engine.tokenizer.encode(text, { addEos: false }) : ids;
    const before = without.length - bare.length;
    const after = ids.length - without.length;
    return [...ids.slice(0, Math.max(before, limit - after)), ...ids.slice(ids.length - after)].slice(0, limit);
  }
  if (ids.length > limit) {
    const advice =
      "shorten it, cut it with truncate: 'end', or load the model with a larger `context` if it was trained with one";
    const message = `${what} has ${ids.length} tokens, but the model takes ${limit}: ${advice}`;
    throw new ContextError(message, ids.length, limit);
  }
  engine.checkTokens(ids, what);
  return ids;
}

/** Groups sequences of equal length into batches that fit into one step. */
function* batchesOf({ program, isEncoder }: Engine, sequences: readonly (readonly number[])[]): Generator<number[]> {
  const order = [...sequences.keys()].sort((a, b) => sequences[a].length - sequences[b].length);
  const room = Math.min(program.maxTokens, program.maxRows);
  for (let at = 0; at < order.length; ) {
    const length = sequences[order[at]].length;
    const most = isEncoder ? Math.max(1, Math.floor(room / length)) : 1;
    let end = at + 1;
    while (end < order.length && end - at < most && sequences[order[end]].length === length) end++;
    yield order.slice(at, end);
    at = end;
  }
}

/** Runs sequences of equal length and returns their pooled outputs. */
async function hiddenRows(
  engine: Engine,
  sequences: readonly (readonly number[])[],
  pooling: Pooling,
  skips: readonly number[],
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const length = sequences[0].length;
  if (!engine.isEncoder) return [await causalRows(engine, sequences[0], pooling, skips[0], signal)];
  const rows = rowsFor(length, pooling);
  const wanted = sequences.flatMap((_, index) => rows.map((row) => index * length + row));
  const inputs = sequenceInputs(engine.program.graph, sequences);
  const step = { tokens: sequences.flat(), sequence: length, rows: wanted, inputs };
  const values = await engine.scheduler.runBatch(step, 'hidden', signal);
  const width = values.length / wanted.length;
  return sequences.map((_, index) => {
    const pool = new Pool(pooling, width, skips[index]);
    rows.forEach((row, i) => {
      const at = (index * rows.length + i) * width;
      pool.add(values.subarray(at, at + width), row);
    });
    return pool.result();
  });
}

/** Values of an encoder's inputs: token types, and positions if they do not start at 0. */
export function sequenceInputs(
  graph: Graph,
  sequences: readonly (readonly number[])[],
  types?: readonly (readonly number[])[],
): Record<string, Int32Array> {
  const found: Record<string, Int32Array> = {};
  for (const node of graph.nodes) {
    if (!isInput(node)) continue;
    const { name } = node.attributes;
    if (name === TOKEN_TYPES) {
      found[name] = Int32Array.from(sequences.flatMap((ids, i) => types?.[i] ?? ids.map(() => 0)));
      checkTypes(graph, node, found[name]);
    }
    if (name === SHIFTED_POSITIONS)
      found[name] = Int32Array.from(sequences.flatMap((ids) => ids.map((_, position) => position + POSITION_SHIFT)));
  }
  return found;
}

/** @throws {OptionError} for a type without a row in the table of token types: kernels do not check it */
function checkTypes(graph: Graph, input: Value, types: Int32Array): void {
  const reader = graph.nodes.find(({ inputs }) => inputs.includes(input));
  const rows = Number(reader?.inputs[0].shape[0] ?? 0);
  const wrong = types.find((type) => type < 0 || type >= rows);
  if (wrong !== undefined)
    throw new OptionError(
      'token type',
      wrong,
      `0 to ${rows - 1}, as the model's table of token types has ${rows} rows`,
    );
}

/** Runs a text through a decoder. A decoder is causal, so a long text can take several steps. */
async function causalRows(
  engine: Engine,
  ids: readonly number[],
  pooling: Pooling,
  skipped: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const sequence = engine.sequence();
  try {
    let pool: Pool | undefined;
    const onRow = (row: number, values: Float32Array): void => {
      pool ??= new Pool(pooling, values.length, skipped);
      pool.add(values, row);
    };
    await sequence.reserve(ids.length, signal);
    await sequence.advance(ids, { rows: rowsFor(ids.length, pooling), output: 'hidden', onRow, signal });
    return pool!.result();
  } finally {
    sequence.free();
  }
}

function rowsFor(length: number, pooling: Pooling): number[] {
  if (pooling === 'cls') return [0];
  if (pooling === 'last') return [length - 1];
  return Array.from({ length }, (_, row) => row);
}

/** Collects the outputs of one text's tokens. */
class Pool {
  readonly #pooling: Pooling;
  readonly #skipped: number;
  readonly #sum: Float64Array;
  #weight = 0;

  constructor(pooling: Pooling, width: number, skipped: number) {
    this.#pooling = pooling;
    this.#skipped = skipped;
    this.#sum = new Float64Array(width).fill(pooling === 'max' ? Number.NEGATIVE_INFINITY : 0);
  }

  /** @param row its index in the text */
  add(values: Float32Array, row: number): void {
    if (row < this.#skipped) return;
    const sum = this.#sum;
    if (this.#pooling === 'max') {
      for (let i = 0; i < sum.length; i++) sum[i] = Math.max(sum[i], values[i]);
      return;
    }
    const weight = this.#pooling === 'weightedMean' ? row + 1 : 1;
    for (let i = 0; i < sum.length; i++) sum[i] += weight * values[i];
    this.#weight += weight;
  }

  result(): Float32Array {
    if (this.#pooling === 'max') return Float32Array.from(this.#sum);
    const weight = Math.max(this.#weight, 1e-9);
    const divisor = this.#pooling === 'meanSqrtLength' ? Math.sqrt(weight) : weight;
    return Float32Array.from(this.#sum, (value) => value / divisor);
  }
}

function applyDense(x: Float32Array, { weight, bias, activation }: DenseLayer): Float32Array {
  return Float32Array.from({ length: weight.length / x.length }, (_, row) => {
    let sum = bias?.[row] ?? 0;
    for (let i = 0; i < x.length; i++) sum += weight[row * x.length + i] * x[i];
    return activation === 'tanh' ? Math.tanh(sum) : sum;
  });
}

function finish(vector: Float32Array, dimensions: number | undefined, normalize: boolean): Float32Array {
  if (dimensions !== undefined && dimensions > vector.length)
    throw new OptionError('dimensions', dimensions, `1 to ${vector.length}, the model's`);
  const kept = dimensions === undefined ? vector : vector.slice(0, dimensions);
  if (!normalize) return kept;
  let square = 0;
  for (const value of kept) square += value * value;
  const length = Math.sqrt(square);
  return length === 0 ? kept : kept.map((value) => value / length);
}
