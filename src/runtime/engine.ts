/** State that a loaded model and its sessions share: the program, the tokenizer, and whether it is disposed. */
import { ContextError, EspalierError, OptionError, UnsupportedError } from '../core/errors.ts';
import type { EmbeddingSettings } from '../formats/embeddingSettings.ts';
import type { Program } from '../graph/program.ts';
import { PAGE_POSITIONS, type Step } from '../graph/step.ts';
import type { Adapter } from '../models/adapter.ts';
import type { Factors } from '../models/modelBuilder.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import type { ChatTemplate } from '../tokenizer/chatTemplate.ts';
import type { Decoder, Tokenizer } from '../tokenizer/tokenizer.ts';
import { type CacheLimits, CacheMemory } from './cache/cacheMemory.ts';
import { draftPacer } from './drafting/draftPacer.ts';
import { Drafts } from './drafting/drafts.ts';
import { ModelDrafts } from './drafting/modelDrafts.ts';
import { checkSameTokens } from './drafting/sameTokens.ts';
import { StepTimes } from './drafting/stepTimes.ts';
import { EarlyDecoder } from './exits/earlyDecoder.ts';
import { Exit, type LoadedExit } from './exits/exit.ts';
import type { GenerateOptions } from './generateOptions.ts';
import { checkIds, isEncoder, vocabularyOf } from './graphKind.ts';
import type { Pacer } from './pacer.ts';
import { Scheduler } from './scheduler.ts';
import { Sequence } from './sequence.ts';
import { type Submodel, WHOLE } from './submodels.ts';

/** Share of tokens that may differ, if a generation does not say. */
const DEFAULT_RISK = 0.01;

export interface EngineOptions {
  /** Context length of a session, in tokens. */
  readonly context: number;
  /** Format of keys and values. */
  readonly kv: BlockFormat;
  readonly template: ChatTemplate;
  /** Undefined if the model's files contain no tokenizer. */
  readonly tokenizer?: Tokenizer;
  /** Pooling and normalization of embeddings. */
  readonly embedding?: EmbeddingSettings;
  /** What can run instead of the whole model, the whole first. Default: nothing. */
  readonly submodels?: readonly Submodel[];
  /** Low-rank factors that the program has room for. */
  readonly places?: ReadonlyMap<string, Factors>;
  /** Adapters that can be chosen by their role in the package. */
  readonly adapters?: ReadonlyMap<string, Adapter>;
  /** Early exit of the graph, if it has one. */
  readonly exit?: LoadedExit;
  /** Performance limits besides those that the backend reports. */
  readonly limits?: readonly string[];
  /** Values of the graph's inputs, the same in every step. */
  readonly inputs?: Step['inputs'];
  /** Default: no limit for all pages, and prefixes of one context. */
  readonly cache?: Partial<CacheLimits>;
}

export class Engine {
  /** File name for error messages. */
  readonly name: string;
  readonly program: Program;
  readonly context: number;
  readonly template: ChatTemplate;
  readonly limits: readonly string[];
  readonly memory: CacheMemory;
  readonly scheduler: Scheduler;
  readonly embedding: EmbeddingSettings;
  readonly #stepTimes = new StepTimes();
  /** A smaller model that drafts for this one. */
  #draftEngine: Engine | undefined;
  #pacer: Pacer | undefined;
  /** True if the model reads whole texts at once: it embeds and ranks them, and generates none. */
  readonly isEncoder: boolean;
  /** Version of the weights. It increases when they change, which invalidates caches. */
  weightsVersion = 0;
  /** Early exit that the model was loaded with. */
  readonly exit: Exit | undefined;
  /** What can run, the whole model first. */
  readonly submodels: readonly Submodel[];
  readonly #tokenizer: Tokenizer | undefined;
  readonly #places: ReadonlyMap<string, Factors>;
  readonly #adapters: ReadonlyMap<string, Adapter>;
  #sessions = 0;
  #retired = false;
  #disposed = false;

  constructor(name: string, program: Program, options: EngineOptions) {
    this.name = name;
    this.program = program;
    this.context = options.context;
    this.template = options.template;
    this.embedding = options.embedding ?? {};
    this.isEncoder = isEncoder(program.graph);
    this.exit = options.exit && new Exit(options.exit);
    const dropped = this.exit?.problems.map((problem) => `exit: ${problem}, and is not used`) ?? [];
    this.limits = [...(options.limits ?? []), ...dropped];
    const { bytes = Number.POSITIVE_INFINITY, prefixBytes } = options.cache ?? {};
    const pages = program.openPages(options.kv);
    const ofOneContext = Math.ceil(options.context / PAGE_POSITIONS) * pages.pageBytes;
    this.memory = new CacheMemory(pages, { bytes, prefixBytes: prefixBytes ?? ofOneContext });
    this.submodels = options.submodels ?? [{ name: WHOLE, program, quality: 1 }];
    this.scheduler = new Scheduler(this.submodels, options.inputs);
    this.#tokenizer = options.tokenizer;
    this.#places = options.places ?? new Map();
    this.#adapters = options.adapters ?? new Map();
  }

  /** Vocabulary size V; ids are smaller. */
  get vocabulary(): number {
    return vocabularyOf(this.program.graph);
  }

  /** @throws {EspalierError} NO_TOKENIZER if the model's files contain no tokenizer */
  get tokenizer(): Tokenizer {
    if (this.#tokenizer) return this.#tokenizer;
    throw new EspalierError('NO_TOKENIZER', `${this.name}: the model has no tokenizer; prompts must be token ids`);
  }

  /** Sets a smaller model that drafts. Disposed of with this engine. @throws {OptionError} if its tokens are others */
  setDraftEngine(engine: Engine): void {
    checkSameTokens(this, engine);
    this.#draftEngine = engine;
    this.setPacer(this.#pacer);
  }

  /** Sets what paces the steps of this model and of the one that drafts for it. */
  setPacer(pacer: Pacer | undefined): void {
    this.#pacer = pacer;
    this.scheduler.setPacer(pacer);
    this.#draftEngine?.setPacer(pacer && draftPacer(pacer));
  }

  /** Drafts for a text that continues a prompt. */
  drafts(prompt: readonly number[]): Drafts {
    const model = this.#draftEngine && new ModelDrafts(this.#draftEngine);
    return new Drafts({ times: this.#stepTimes, prompt, vocabulary: this.vocabulary, model });
  }

  /**
   * Decoder with the early exit for a generation, if its options want one.
   * @throws {OptionError} if the model has no exit, it is not calibrated, or other options contradict it
   */
  earlyDecoder(options: GenerateOptions, seed: number): EarlyDecoder | undefined {
    const { exit: use = 'off', exitRisk: risk = DEFAULT_RISK, temperature = 0, repetitionPenalty = 1 } = options;
    if (use !== 'calibrated' && options.exitRisk !== undefined)
      throw new OptionError('exitRisk', options.exitRisk, "a generation with exit: 'calibrated'");
    if (use === 'off') return undefined;
    const { exit } = this;
    if (!exit) throw new OptionError('exit', use, "a model that was loaded with the option 'exit'");
    if (options.logProbabilities !== undefined)
      throw new OptionError('logProbabilities', options.logProbabilities, "nothing with 'exit', which skips them");
    if (use === 'lossless') return new EarlyDecoder({ exit, seed });
    if (temperature !== 0)
      throw new OptionError(
        'temperature',
        temperature,
        "0 with exit 'calibrated', as its promise is about likeliest tokens",
      );
    if (repetitionPenalty !== 1)
      throw new OptionError(
        'repetitionPenalty',
        repetitionPenalty,
        "1 with exit 'calibrated', whose promise is without it",
      );
    return new EarlyDecoder({ exit, seed, promise: exit.promise(risk) });
  }

  /** Ids that end a generation. */
  get endOfGeneration(): ReadonlySet<number> {
    return this.#tokenizer?.endOfGeneration ?? new Set();
  }

  /** Decoder for text that continues a prompt. Undefined without a tokenizer. */
  decoder(): Decoder | undefined {
    return this.#tokenizer?.decoder({ continues: true });
  }

  /** An empty sequence. @throws {EspalierError} DISPOSED @throws {UnsupportedError} if the model is an encoder */
  sequence(): Sequence {
    this.#checkAlive();
    if (this.isEncoder)
      throw new UnsupportedError(`${this.name}: generating text with`, 'an encoder', ['embed', 'rank']);
    return new Sequence(this);
  }

  /**
   * Changes the adapter between two steps, of which every one sees a whole adapter.
   * @param adapter an adapter, or the role of one that was loaded with the package
   * @throws {FormatError} if the adapter does not fit @throws {OptionError} if there is no such role @throws {EspalierError} DISPOSED
   */
  async setAdapter(adapter: Adapter | string | undefined): Promise<void> {
    this.#checkAlive();
    const found = typeof adapter === 'string' ? this.#adapterOf(adapter) : adapter;
    const perform = async () => {
      const { writeFactors } = await import('../models/adapter.ts');
      await writeFactors(this.program, this.#places, found);
      this.weightsChanged();
      return undefined;
    };
    await this.scheduler.runAlone({ perform });
  }

  #adapterOf(role: string): Adapter {
    const adapter = this.#adapters.get(role);
    if (adapter) return adapter;
    const loaded = [...this.#adapters.keys()].join(', ') || "none: load the model with the option 'components'";
    throw new OptionError('adapter', role, `a role that was loaded (${loaded})`);
  }

  /** Counts the sessions, which keep a retired engine. @returns call it when the session ends */
  enter(): () => void {
    this.#sessions++;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#sessions--;
      if (this.#retired && this.#sessions === 0) this.dispose();
    };
  }

  /** Releases the engine when its last session ends. */
  retire(): void {
    this.#retired = true;
    if (this.#sessions === 0) this.dispose();
  }

  /** Discards everything computed with the previous weights. */
  weightsChanged(): void {
    this.weightsVersion++;
    this.memory.prefixes.clear();
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.scheduler.dispose();
    this.memory.admission.close(new EspalierError('DISPOSED', `${this.name}: the model was disposed`));
    this.program.dispose();
    this.#draftEngine?.dispose();
  }

  /** @throws {ContextError} if there are too many tokens @throws {OptionError} if there are none, or an id is outside the vocabulary */
  checkTokens(ids: readonly number[], what: string): void {
    if (ids.length === 0) throw new OptionError(what, 'empty', 'at least one token');
    if (ids.length > this.context) {
      const message = `${what} has ${ids.length} tokens but the context holds ${this.context}`;
      throw new ContextError(message, ids.length, this.context);
    }
    checkIds(ids, this.vocabulary, what);
  }

  #checkAlive(): void {
    if (this.#disposed) throw new EspalierError('DISPOSED', `${this.name}: the model was disposed`);
  }
}
