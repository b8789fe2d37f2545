/** A loaded model: makes sessions, and evaluates given tokens. */
import { OptionError } from '../core/errors.ts';
import type { ProgramDescription, Timing } from '../graph/program.ts';
import type { Adapter } from '../models/adapter.ts';
import { logNormalizer, type TokenLogProbability } from '../sampling/logProbabilities.ts';
import type { ChatMessage } from '../tokenizer/chatMessage.ts';
import { type ChatOptions, renderChat } from '../tokenizer/chatPrompt.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { abortSignal, checkOptions, oneOf } from './checkOptions.ts';
import type { Engine } from './engine.ts';
import type { MemoryEstimate } from './estimate.ts';
import { type Continuation, type GenerateManyOptions, generateMany } from './generateMany.ts';
import { checkChatOptions, checkGenerateManyOptions } from './generateOptions.ts';
import { countTokens, encodePrompt, type Prompt } from './prompt.ts';
import type { Sequence } from './sequence.ts';
import { Session } from './session.ts';
import type { ModelSummary } from './summary.ts';

export interface EvaluateOptions {
  /** 'logits' [V] of the next token, or 'hidden' [D], what the output head sees. Default 'logits'. */
  readonly output?: 'logits' | 'hidden';
  readonly signal?: AbortSignal;
}

export interface EmbedOptions {
  /** 'mean' over all tokens, or the 'last' token's. Default 'mean'. */
  readonly pooling?: 'mean' | 'last';
  readonly signal?: AbortSignal;
}

export class Model {
  readonly summary: ModelSummary;
  /** What was reckoned before loading. */
  readonly estimate: MemoryEstimate;
  readonly #engine: Engine;

  /** Applications get models from `load`. */
  constructor(engine: Engine, summary: ModelSummary, estimate: MemoryEstimate) {
    this.#engine = engine;
    this.summary = summary;
    this.estimate = estimate;
  }

  /** @throws {EspalierError} NO_TOKENIZER where the model's files hold none */
  get tokenizer(): Tokenizer {
    return this.#engine.tokenizer;
  }

  /**
   * The text that a conversation becomes before it is encoded: what `session.generate(messages, options)` continues.
   * @throws {OptionError} naming the message and its field; {ChatTemplateError} if the template refuses the conversation
   */
  renderPrompt(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    checkChatOptions(options);
    return renderChat(this.#engine.template, messages, options);
  }

  /** Number of tokens of a prompt, even of one that is longer than the context. @throws what `renderPrompt` throws */
  countTokens(prompt: Prompt, options: ChatOptions = {}): number {
    checkChatOptions(options);
    return countTokens(this.#engine, prompt, options);
  }

  /** Tokens that a session can hold. */
  get context(): number {
    return this.#engine.context;
  }

  /** What runs it. */
  get backend(): ProgramDescription {
    const { description } = this.#engine.program;
    return { ...description, limits: [...this.#engine.limits, ...description.limits] };
  }

  /** Time by command of all steps so far, where the model was loaded with `trace`. */
  timings(): Timing[] {
    return this.#engine.program.timings?.() ?? [];
  }

  /** Bytes held now by weights, caches and activations. */
  get memoryBytes(): number {
    return this.#engine.program.memoryBytes;
  }

  /** What computing one token reads of the weights: all but the rows of the embedding that are not needed. */
  get weightBytesPerToken(): number {
    return this.#engine.program.graph.cost({ T: 1, P: 0, R: 1, S: 1 }).bytes;
  }

  /**
   * Changes the adapter. Sessions continue with it, and compute their past again when they next generate.
   * @param adapter for places that the model was loaded with (`LoadOptions.adapter`); undefined: the model as it is without
   * @throws {FormatError} for one that does not fit, where everything stays as it was
   */
  setAdapter(adapter: Adapter | undefined): Promise<void> {
    return this.#engine.setAdapter(adapter);
  }

  /** A new, empty session; dispose of it to give its cache's memory back before the model's. @throws {MemoryError} */
  session(): Session {
    return new Session(this.#engine, this.#engine.sequence());
  }

  /** Prompts that `generateMany` takes: as many as a step takes tokens and gives rows. */
  get mostAtATime(): number {
    const { maxRows, maxTokens } = this.#engine.program;
    return Math.min(maxRows, maxTokens);
  }

  /**
   * Continues several prompts at the same time, in far less time than one after another; nothing of it is kept.
   * @throws {OptionError}; {ContextError} for a prompt that is longer than the context; {MemoryError}; the signal's reason
   */
  async generateMany(prompts: readonly Prompt[], options: GenerateManyOptions = {}): Promise<Continuation[]> {
    checkGenerateManyOptions(options, prompts.length);
    if (prompts.length === 0 || prompts.length > this.mostAtATime)
      throw new OptionError('prompts', `${prompts.length} of them`, `1 to ${this.mostAtATime} at a time`);
    const ids = prompts.map((prompt) => encodePrompt(this.#engine, prompt, options).ids);
    return generateMany(this.#engine, ids, options);
  }

  /** What a session is made of, without text: for tools that score or measure. Free it after use. @throws {MemoryError} */
  sequence(): Sequence {
    return this.#engine.sequence();
  }

  /**
   * Runs tokens from an empty past and shows the outputs of some of them.
   * @param rows indices into `tokens`, ascending, or 'all'
   * @param visit called in order
   * @throws {ContextError}; {OptionError}; the signal's reason
   */
  async evaluate(
    tokens: readonly number[],
    rows: 'all' | readonly number[],
    visit: (row: number, values: Float32Array) => void,
    options: EvaluateOptions = {},
  ): Promise<void> {
    checkOptions(options, { output: oneOf(['logits', 'hidden']), signal: abortSignal });
    this.#engine.checkTokens(tokens, 'the sequence');
    const wanted = rows === 'all' ? Array.from(tokens, (_, i) => i) : rows;
    checkRows(wanted, tokens.length);
    const sequence = this.sequence();
    try {
      const { output = 'logits', signal } = options;
      await sequence.advance(tokens, { rows: wanted, output, onRow: visit, signal });
    } finally {
      sequence.free();
    }
  }

  /** The last layer's state after the final norm, pooled over the tokens, [D]; its length is not normalized. */
  async embed(input: string | readonly number[], options: EmbedOptions = {}): Promise<Float32Array> {
    checkOptions(options, { pooling: oneOf(['mean', 'last']), signal: abortSignal });
    const ids = this.#ids(input);
    const rows = options.pooling === 'last' ? [ids.length - 1] : ids.map((_, i) => i);
    let sum: Float64Array | undefined;
    const visit = (_: number, values: Float32Array) => {
      sum ??= new Float64Array(values.length);
      for (let i = 0; i < values.length; i++) sum[i] += values[i];
    };
    await this.evaluate(ids, rows, visit, { output: 'hidden', signal: options.signal });
    return Float32Array.from(sum!, (value) => value / rows.length);
  }

  /** How likely each token but the first is after those before it, natural logarithms. */
  async logProbabilities(
    input: string | readonly number[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<TokenLogProbability[]> {
    checkOptions(options, { signal: abortSignal });
    const ids = this.#ids(input);
    const found: TokenLogProbability[] = [];
    const visit = (row: number, logits: Float32Array) => {
      const id = ids[row + 1];
      found.push({ id, logProbability: logits[id] - logNormalizer(logits) });
    };
    await this.evaluate(ids, [...ids.keys()].slice(0, -1), visit, options);
    return found;
  }

  /** Gives memory and threads back; its sessions cannot be used afterwards. */
  dispose(): void {
    this.#engine.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #ids(input: string | readonly number[]): readonly number[] {
    return typeof input === 'string' ? this.tokenizer.encode(input, { addEos: false }) : input;
  }
}

function checkRows(rows: readonly number[], tokens: number): void {
  for (const [i, row] of rows.entries()) {
    const least = i > 0 ? rows[i - 1] + 1 : 0;
    if (!Number.isInteger(row) || row < least || row >= tokens)
      throw new OptionError(`row ${i}`, row, `whole numbers ascending, below the ${tokens} tokens`);
  }
}
