/** A loaded model. It creates sessions and evaluates given tokens. */
import { EspalierError, OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { ProgramDescription, Timing } from '../graph/program.ts';
import type { Adapter } from '../models/adapter.ts';
import { logNormalizer, type TokenLogProbability } from '../sampling/logProbabilities.ts';
import type { ChatMessage } from '../tokenizer/chatMessage.ts';
import { type ChatOptions, renderChat } from '../tokenizer/chatPrompt.ts';
import type { EncodedPair, Tokenizer } from '../tokenizer/tokenizer.ts';
import { abortSignal, callback, checkOptions, oneOf } from './checkOptions.ts';
import type { EmbedInput, EmbedOptions } from './embed.ts';
import type { Engine } from './engine.ts';
import type { MemoryEstimate } from './estimate.ts';
import type { LoadedExit } from './exits/exit.ts';
import { type Continuation, type GenerateManyOptions, generateMany } from './generateMany.ts';
import { checkChatOptions, checkGenerateManyOptions } from './generateOptions.ts';
import type { Pacer } from './pacer.ts';
import { countTokens, encodePrompt, type Prompt } from './prompt.ts';
import type { RankedDocument, RankOptions } from './rank.ts';
import type { Sequence } from './sequence.ts';
import { Session } from './session.ts';
import type { ModelSummary } from './summary.ts';

export interface EvaluateOptions {
  /**
   * 'logits' [V] of the next token, 'hidden' [D], the input of the output layer, or 'exit', the logits of the early exit that the model was
   * loaded with. Default 'logits'.
   */
  readonly output?: 'logits' | 'hidden' | 'exit';
  readonly signal?: AbortSignal;
}

/** Result of `load`. */
export interface LoadedModel {
  readonly engine: Engine;
  readonly summary: ModelSummary;
  readonly estimate: MemoryEstimate;
  /** Generation of the package, if the model is a component of one. */
  readonly generation?: string;
}

export interface UpdateOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** Loads other generations of the package that a model is from. */
export interface PackageLoader {
  /** Generation that `load` would load now. */
  current(): Promise<string>;
  load(options: UpdateOptions): Promise<LoadedModel>;
}

export class Model {
  #loaded: LoadedModel;
  /** Engines of generations before, which sessions still use. */
  readonly #retired: Engine[] = [];
  readonly #loader: PackageLoader | undefined;
  #pacer: Pacer | undefined;

  /** For internal use. Applications call `load`. */
  constructor(loaded: LoadedModel, loader?: PackageLoader) {
    this.#loaded = loaded;
    this.#loader = loader;
  }

  get #engine(): Engine {
    return this.#loaded.engine;
  }

  get summary(): ModelSummary {
    return this.#loaded.summary;
  }

  /** Memory estimate from before loading. */
  get estimate(): MemoryEstimate {
    return this.#loaded.estimate;
  }

  /** Generation of the package that the model was loaded from. Undefined for other sources. */
  get generation(): string | undefined {
    return this.#loaded.generation;
  }

  /**
   * Moves to the package's current generation, after espalier/package has pulled one. Sessions that exist keep theirs until they are
   * disposed of; new ones use the new generation. Both are in memory until then.
   * @returns true if another generation runs now
   * @throws {OptionError} if the model is not from a package @throws what `load` throws; the model then stays as it is
   */
  async update(options: UpdateOptions = {}): Promise<boolean> {
    checkOptions(options, { signal: abortSignal, onProgress: callback });
    if (!this.#loader) throw new OptionError('source', this.summary.source, 'package:NAME for a model that is updated');
    if ((await this.#loader.current()) === this.generation) return false;
    const loaded = await this.#loader.load(options);
    const before = this.#engine;
    if (before.disposed) {
      loaded.engine.dispose();
      throw new EspalierError('DISPOSED', `${before.name}: the model was disposed`);
    }
    this.#loaded = loaded;
    // sessions of both generations are governed together
    loaded.engine.setPacer(this.#pacer);
    const { submodel } = before.scheduler;
    if (loaded.engine.submodels.some(({ name }) => name === submodel)) loaded.engine.scheduler.setSubmodel(submodel);
    this.#retired.push(before);
    before.retire();
    return true;
  }

  /** @throws {EspalierError} NO_TOKENIZER if the model's files contain no tokenizer */
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

  /** Context length of a session, in tokens. */
  get context(): number {
    return this.#engine.context;
  }

  /** Backend and settings that run the model. */
  get backend(): ProgramDescription {
    const { description } = this.#engine.program;
    return { ...description, limits: [...this.#engine.limits, ...description.limits] };
  }

  /** Times of all commands so far, if the model was loaded with `trace`. */
  timings(): Timing[] {
    return this.#engine.program.timings?.() ?? [];
  }

  /** Current memory of weights, caches and activations, in bytes. */
  get memoryBytes(): number {
    return this.#engine.program.memoryBytes;
  }

  /** Bytes of weights that one token reads: all except the unused rows of the embedding. */
  get weightBytesPerToken(): number {
    return this.#engine.program.graph.cost({ T: 1, P: 0, R: 1, S: 1 }).bytes;
  }

  /**
   * Changes the adapter after the step that runs. Sessions continue with it and recompute their cache when they next generate.
   * @param adapter an adapter that fits `LoadOptions.adapter`, or the role of one of `LoadOptions.components`, such as 'adapter/legal';
   *   undefined removes the adapter
   * @throws {FormatError} if it does not fit; the current adapter then stays
   */
  setAdapter(adapter: Adapter | string | undefined): Promise<void> {
    return this.#engine.setAdapter(adapter);
  }

  /** Names of what can run instead of the whole model, the whole first: `['8 bits', '4 bits']` for a file with nested bits. */
  get submodels(): readonly string[] {
    return this.#engine.submodels.map(({ name }) => name);
  }

  /** Name of the submodel that runs, unless the option `adapt` of `load` chooses at every token. */
  get submodel(): string {
    return this.#engine.scheduler.submodel;
  }

  /**
   * Runs another submodel from the next token on. Sessions keep their cache, so nothing is computed again.
   * @param name one of `submodels` @throws {OptionError} for another name
   */
  setSubmodel(name: string): void {
    this.#engine.scheduler.setSubmodel(name);
  }

  /** @internal Submodels with their quality, for the governor. */
  get submodelQualities(): readonly { readonly name: string; readonly quality: number }[] {
    return this.#engine.submodels.map(({ name, quality }) => ({ name, quality }));
  }

  /** @internal Sets the smaller model that drafts. It is disposed of with this one. Applications use the option `draftModel` of `load`. */
  setDraftModel(model: Model): void {
    this.#engine.setDraftEngine(model.#engine);
  }

  /** @internal True if something paces the steps, such as the option `adapt` of `load`. */
  get isPaced(): boolean {
    return this.#pacer !== undefined;
  }

  /** @internal Sets what paces the steps. Applications use the option `adapt` of `load`. */
  setPacer(pacer: Pacer | undefined): void {
    this.#pacer?.dispose?.();
    this.#pacer = pacer;
    this.#engine.setPacer(pacer);
  }

  /** Creates an empty session. It takes memory as it grows; dispose of it to release that before the model. */
  session(): Session {
    return new Session(this.#engine, this.#engine.sequence());
  }

  /** Early exit that the model was loaded with. */
  get exit(): LoadedExit | undefined {
    return this.#engine.exit?.header;
  }

  /** Prompts of `generateMany` that share every step. More of them take turns. */
  get maxPrompts(): number {
    const { maxRows, maxTokens } = this.#engine.program;
    return Math.min(maxRows, maxTokens);
  }

  /**
   * Continues several prompts at the same time, much faster than one after another. Keeps no state.
   * @throws {OptionError} @throws {ContextError} if a prompt is longer than the context @throws {MemoryError} @throws the signal's reason
   */
  async generateMany(prompts: readonly Prompt[], options: GenerateManyOptions = {}): Promise<Continuation[]> {
    checkGenerateManyOptions(options, prompts.length);
    if (prompts.length === 0) throw new OptionError('prompts', 'none', 'at least one');
    const ids = prompts.map((prompt) => encodePrompt(this.#engine, prompt, options).ids);
    return generateMany(this.#engine, ids, options);
  }

  /** Creates a token sequence without text, for tools that score or measure. Free it after use. @throws {MemoryError} */
  sequence(): Sequence {
    return this.#engine.sequence().pin();
  }

  /**
   * Runs tokens with an empty cache and passes the outputs of some of them to `visit`.
   * @param rows indices into `tokens`, ascending, or 'all'
   * @param visit called in order
   * @throws {ContextError} @throws {OptionError} @throws the signal's reason
   */
  async evaluate(
    tokens: readonly number[],
    rows: 'all' | readonly number[],
    visit: (row: number, values: Float32Array) => void,
    options: EvaluateOptions = {},
  ): Promise<void> {
    checkOptions(options, { output: oneOf(['logits', 'hidden', 'exit']), signal: abortSignal });
    this.#engine.checkTokens(tokens, 'the sequence');
    if (options.output === 'exit' && !this.exit)
      throw new OptionError('output', 'exit', "a model that was loaded with the option 'exit'");
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

  /**
   * Embeds texts: the outputs of their tokens, pooled and scaled as the model's files say. Texts of equal length share a step.
   * @returns a vector [D] for a text or its token ids, a list of them for a list
   * @throws {ContextError} for a text that is longer than the model, unless `truncate` says otherwise; {OptionError}
   */
  embed(input: EmbedInput, options?: EmbedOptions): Promise<Float32Array>;
  embed(inputs: readonly EmbedInput[], options?: EmbedOptions): Promise<Float32Array[]>;
  async embed(
    given: EmbedInput | readonly EmbedInput[],
    options: EmbedOptions = {},
  ): Promise<Float32Array | Float32Array[]> {
    const engine = this.#engine;
    // most pages embed and rank nothing
    const { embed, isEmbedInput } = await import('./embed.ts');
    if (isEmbedInput(given)) return (await embed(engine, engine.embedding, [given], options))[0];
    return embed(engine, engine.embedding, given, options);
  }

  /**
   * Scores how well documents answer a query, for models with a ranking head (cross-encoders).
   * @returns one entry for each document, the best first
   * @throws {UnsupportedError} if the model has no such head; {ContextError}; {OptionError}
   */
  async rank(query: string, documents: readonly string[], options: RankOptions = {}): Promise<RankedDocument[]> {
    const { rank } = await import('./rank.ts');
    return rank(this.#engine, query, documents, options);
  }

  /** The outputs of the model's classifier, [L] for each input, which is encoded already. @throws what `rank` throws */
  async classify(
    inputs: readonly EncodedPair[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Float32Array[]> {
    checkOptions(options, { signal: abortSignal });
    const { classify } = await import('./rank.ts');
    return classify(this.#engine, inputs, options.signal);
  }

  /** Log-probability of each token after the first, given the tokens before it, in nats. */
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

  /** Releases memory and threads. The model's sessions cannot be used afterwards. */
  dispose(): void {
    this.#pacer?.dispose?.();
    for (const engine of [this.#engine, ...this.#retired]) engine.dispose();
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
      throw new OptionError(`row ${i}`, row, `ascending whole numbers below the number of tokens, ${tokens}`);
  }
}
