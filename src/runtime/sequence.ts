/** A token sequence and its KV cache. Independent of text and sampling. */
import type { OnProgress } from '../core/progress.ts';
import { type KeptRow, PAGE_POSITIONS, type SequencePart } from '../graph/step.ts';
import type { ChoiceRule } from '../sampling/chooseToken.ts';
import { type CacheMemory, disposedError, type Held, type IdleSequence } from './cache/cacheMemory.ts';
import { PagedCache } from './cache/pagedCache.ts';
import type { AddedPrefix } from './cache/prefixTree.ts';
import type { Scheduler } from './scheduler.ts';
import type { OutputName } from './task.ts';

export interface AdvanceOptions {
  /** Indices of the tokens whose outputs are returned, ascending. */
  readonly rows: readonly number[];
  readonly output: OutputName;
  /** Called for each selected row in order. */
  readonly onRow: (row: number, values: Float32Array) => void;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface ChooseOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** Place where tokens leave early: a cut of the graph, and the output that predicts there. */
export interface ExitPlace {
  readonly cut: string;
  readonly output: string;
}

/** State shared by all sequences of a model: scheduler and memory. */
export interface SequenceHost {
  readonly scheduler: Scheduler;
  readonly memory: CacheMemory;
  readonly context: number;
  /** Increases whenever the weights change. */
  readonly weightsVersion: number;
}

export class Sequence implements IdleSequence {
  readonly #host: SequenceHost;
  readonly #held: Held;
  #tokens: number[] = [];
  /** Version of the weights that the pages were computed with. */
  #version: number;
  /** Position in the tree of shared prefixes. */
  #added: AddedPrefix | undefined;
  /** Submodel that has computed the first `#uniform` tokens. Only their pages are shared. */
  #submodel = '';
  #uniform = 0;
  /** True if it reserves what it takes, see `pin`. */
  #isPinned = false;
  /** True while a step uses its pages. */
  #isInStep = false;
  #isFreed = false;
  /** True while drafts run: their pages are not shared before they are accepted. */
  #isDrafting = false;
  /** Rows of the last tokens that have left at an exit, whose further layers are not computed yet. */
  readonly #waiting: KeptRow[] = [];

  /** For internal use. Applications call `model.sequence()`. */
  constructor(host: SequenceHost) {
    this.#host = host;
    this.#held = host.memory.open(this);
    this.#version = host.weightsVersion;
  }

  get context(): number {
    return this.#host.context;
  }

  /** Maximum positions: the context, or less if the memory for keys and values is smaller. */
  get room(): number {
    return Math.min(this.context, this.#host.memory.mostPositions);
  }

  /** Tokens whose keys and values are cached. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /** Bytes of its pages, including those shared with other sequences. */
  get cacheBytes(): number {
    return this.#held.cache?.bytes ?? 0;
  }

  /** Milliseconds, without the time for which steps were held back. */
  clock(): number {
    return this.#host.scheduler.clock();
  }

  /** Records that its text has got tokens at once, `seconds` of `clock` after they were asked for. */
  observeTokens(tokens: number, seconds: number): void {
    this.#host.scheduler.observeTokens(tokens, seconds);
  }

  /** Maximum tokens of a step. */
  get maxTokens(): number {
    return this.#host.scheduler.maxTokens;
  }

  /** Maximum rows that one step returns. */
  get maxRows(): number {
    return this.#host.scheduler.maxRows;
  }

  /**
   * Prepares to continue a prompt: reserves memory, and reuses the longest prefix of the prompt that any sequence has
   * computed. The last token of the prompt is never reused, because its logits are needed.
   * @param most maximum positions to reserve @returns number of reused tokens
   * @throws {MemoryError} if it can never fit; {EspalierError} DISPOSED; the signal's reason
   */
  async begin(prompt: readonly number[], most: number, signal?: AbortSignal): Promise<number> {
    const { memory } = this.#host;
    await this.#reserve(this.#pagesFor(prompt.length, most), signal);
    const own = this.#resumable(Math.min(commonLength(this.#tokens, prompt), prompt.length - 1));
    const submodel = this.#host.scheduler.nextSubmodel;
    const known = memory.prefixes.find(submodel, prompt, prompt.length - 1);
    if (known.length * PAGE_POSITIONS <= own) this.rewind(own);
    else this.#takeOver(submodel, prompt.slice(0, known.length * PAGE_POSITIONS), known);
    return this.#tokens.length;
  }

  /**
   * Reserves memory for some tokens without `begin`, for work that needs the outputs of all of them, so that nothing is reused.
   * `free` releases it. @throws as `begin`
   */
  async reserve(tokens: number, signal?: AbortSignal): Promise<void> {
    await this.#reserve(this.#host.memory.pagesFor(tokens), signal);
  }

  /** Marks the sequence as idle after `begin`: its pages stay cached until the memory is needed. */
  end(): void {
    this.#host.memory.rest(this.#held, this);
  }

  /** Reserves what it takes instead of `begin` and `end`, for tools that use one sequence until they free it. */
  pin(): this {
    this.#isPinned = true;
    this.#held.reservation = this.#host.memory.admission.open();
    return this;
  }

  /** Clears the past if the weights have changed since it was computed. */
  refresh(): void {
    if (this.#version !== this.#host.weightsVersion) this.rewind(0);
    this.#version = this.#host.weightsVersion;
  }

  /**
   * Discards all but the first `length` tokens. With recurrent states it may have to go back further, to the last state that
   * is kept; look at `tokens` for what is left.
   */
  rewind(length: number): void {
    if (length >= this.#tokens.length) return;
    length = this.#resumable(length);
    this.#waiting.length = Math.max(0, this.#waiting.length - (this.#tokens.length - length));
    this.#tokens.length = length;
    this.#uniform = Math.min(this.#uniform, length);
    this.#held.cache?.truncate(length);
    if (this.#added && this.#added.pages * PAGE_POSITIONS > length) this.#added = undefined;
  }

  /** Runs the tokens as the continuation of the sequence, in one or more steps. @throws the signal's reason */
  async advance(tokens: readonly number[], options: AdvanceOptions): Promise<void> {
    if (tokens.length > 0) await this.#host.scheduler.submit({ sequence: this, tokens, ...options });
  }

  /** Runs one token and returns the next token's logits [V]. */
  async next(token: number): Promise<Float32Array> {
    let logits: Float32Array | undefined;
    const onRow = (_: number, values: Float32Array) => {
      logits = values;
    };
    await this.#host.scheduler.submit({ sequence: this, tokens: [token], rows: [0], output: 'logits', onRow });
    return logits!;
  }

  /**
   * Runs tokens and samples the next one on the backend.
   * @param onLogits receives the logits [V]; without it they are not read back
   * @throws the signal's reason
   */
  async choose(
    tokens: readonly number[],
    rule: ChoiceRule,
    { signal, onProgress }: ChooseOptions = {},
    onLogits?: (logits: Float32Array) => void,
  ): Promise<number> {
    const [id] = await this.#host.scheduler.submit({
      sequence: this,
      tokens,
      rows: [tokens.length - 1],
      rules: [rule],
      signal,
      onProgress,
      output: onLogits && 'logits',
      onRow: onLogits && ((_, logits) => onLogits(logits)),
    });
    return id;
  }

  /**
   * Runs a token and drafts of the tokens after it in one step. The sequence keeps the drafts that equal what the model
   * chooses, and is then as if they had been run one after another.
   * @param rules one for the token and one for each draft
   * @param onLogits receives the logits of a row, also of rows that are discarded; without it they are not read back
   * @returns the chosen tokens: the accepted drafts, and the model's own next token @throws the signal's reason
   */
  async verify(
    token: number,
    drafts: readonly number[],
    rules: readonly ChoiceRule[],
    { signal }: ChooseOptions = {},
    onLogits?: (row: number, logits: Float32Array) => void,
  ): Promise<readonly number[]> {
    const tokens = [token, ...drafts];
    const before = this.#tokens.length;
    this.#isDrafting = true;
    try {
      const chosen = await this.#host.scheduler.submit({
        sequence: this,
        tokens,
        rows: tokens.map((_, row) => row),
        rules,
        signal,
        output: onLogits && 'logits',
        onRow: onLogits,
      });
      const accepted = commonLength(drafts, chosen);
      await this.#keep(before + 1 + accepted);
      return chosen.slice(0, accepted + 1);
    } catch (error) {
      this.rewind(before);
      throw error;
    } finally {
      this.#isDrafting = false;
    }
  }

  /** Number of tokens that have left at an exit and lack further layers. Only `leave` and `catchUp` may follow, or `rewind`. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Runs a token up to an exit. @returns its logits for the exit's tokens @throws the signal's reason */
  async leave(token: number, { cut, output }: ExitPlace, signal?: AbortSignal): Promise<Float32Array> {
    let logits: Float32Array | undefined;
    await this.#host.scheduler.runAlone({
      sequence: this,
      signal,
      perform: async (run, submodel) => {
        const part = await this.part([token]);
        const result = run({ sequences: [part], rows: [0], outputs: [output], until: cut });
        logits = await result.output(output);
        this.#waiting.push({ from: result, row: 0 });
        this.append([token], submodel);
        return { tokens: 1, rows: 1 };
      },
    });
    return logits!;
  }

  /**
   * Runs the layers behind an exit for all tokens that have left there.
   * @param wanted ascending indices of these tokens, with the rules to choose the tokens after them @returns the chosen tokens
   * @throws the signal's reason
   */
  async catchUp(
    { cut }: ExitPlace,
    wanted: readonly { readonly row: number; readonly rule: ChoiceRule }[],
    signal?: AbortSignal,
  ): Promise<readonly number[]> {
    let chosen: readonly number[] = [];
    await this.#host.scheduler.runAlone({
      sequence: this,
      signal,
      perform: async (run) => {
        const count = this.#waiting.length;
        const position = this.#tokens.length - count;
        const part = { tokens: this.#tokens.slice(position), position, pages: this.#open().pages };
        const choose = wanted.length > 0 ? { output: 'logits', rules: wanted.map(({ rule }) => rule) } : undefined;
        const rows = wanted.map(({ row }) => row);
        const result = run({ sequences: [part], rows, outputs: [], choose, from: { cut, rows: [...this.#waiting] } });
        if (choose) chosen = [...(await result.choices())];
        else await result.finished();
        this.#waiting.length = 0;
        return { tokens: count, rows: rows.length };
      },
    });
    return chosen;
  }

  /** Discards all but the first `length` tokens, and computes again what `rewind` discards of them. */
  async #keep(length: number): Promise<void> {
    const kept = this.#tokens.slice(0, length);
    this.rewind(length);
    await this.advance(kept.slice(this.#tokens.length), { rows: [], output: 'logits', onRow: () => undefined });
  }

  /** Returns an independent copy that shares the pages. @throws {MemoryError} if it has to reserve them, see `pin`, and cannot */
  fork(): Sequence {
    const cache = this.#open();
    const fork = new Sequence(this.#host);
    const length = this.#tokens.length - this.#waiting.length;
    if (this.#isPinned) fork.pin().#grow(length);
    fork.#held.cache = cache.fork(length);
    fork.#tokens = this.#tokens.slice(0, length);
    fork.#version = this.#version;
    fork.#submodel = this.#submodel;
    fork.#uniform = Math.min(this.#uniform, length);
    if (!this.#isPinned) this.#host.memory.rest(fork.#held, fork);
    return fork;
  }

  /** Releases its pages. If it is continued, its past is computed again. */
  forget(): void {
    this.rewind(0);
  }

  /** Releases everything, after the step that uses it. Later calls throw, and the work of that step fails. */
  free(): void {
    this.#isFreed = true;
    if (!this.#isInStep) this.#release();
  }

  get isFreed(): boolean {
    return this.#isFreed;
  }

  /** Called by the scheduler before it uses the pages, which `free` then does not release. */
  beginStep(): void {
    this.#isInStep = true;
  }

  /** Called by the scheduler when no step uses the pages any more. */
  endStep(): void {
    this.#isInStep = false;
    if (this.#isFreed) this.#release();
  }

  /**
   * Prepares writable pages for a step. Called by the scheduler.
   * @throws {MemoryError}; {EspalierError} DISPOSED after `free`
   */
  part(tokens: readonly number[]): SequencePart | Promise<SequencePart> {
    const cache = this.#open();
    const position = this.#tokens.length;
    const end = position + tokens.length;
    this.#grow(end);
    const copying = cache.makeWritable(position, end);
    const part = { tokens, position, pages: cache.pages };
    return copying ? copying.then(() => part) : part;
  }

  /** Appends the tokens that a submodel has computed. Called by the scheduler. */
  append(tokens: readonly number[], submodel: string): void {
    const before = this.#tokens.length;
    for (const token of tokens) this.#tokens.push(token);
    if (before === 0) this.#submodel = submodel;
    if (this.#uniform === before && this.#submodel === submodel) this.#uniform = this.#tokens.length;
    const { cache } = this.#held;
    cache?.settle(this.#tokens.length);
    if (this.#isDrafting || this.#waiting.length > 0) return;
    const pages = Math.floor(this.#uniform / PAGE_POSITIONS);
    if (!cache || pages === (this.#added?.pages ?? 0) || this.#version !== this.#host.weightsVersion) return;
    const { prefixes } = this.#host.memory;
    this.#added = prefixes.add(this.#submodel, this.#tokens, cache.pages, this.#uniform, this.#added);
  }

  /** Throws if the prompt does not fit. Without `maxTokens`, the generation ends when the memory is full. */
  #pagesFor(prompt: number, most: number): number {
    const { memory } = this.#host;
    return memory.pagesFor(
      Math.max(prompt, Math.min(most, most === Number.POSITIVE_INFINITY ? this.room : this.context)),
    );
  }

  /** Greatest length up to `length` at which the sequence can continue. */
  #resumable(length: number): number {
    return length === this.#tokens.length ? length : (this.#held.cache?.resumable(length) ?? 0);
  }

  #takeOver(submodel: string, tokens: readonly number[], pages: Parameters<PagedCache['adopt']>[0]): void {
    const cache = new PagedCache(this.#host.memory.pool);
    cache.adopt(pages);
    this.#held.cache?.release();
    this.#held.cache = cache;
    this.#tokens = [...tokens];
    this.#submodel = submodel;
    this.#uniform = tokens.length;
    this.#added = undefined;
  }

  async #reserve(pages: number, signal?: AbortSignal): Promise<void> {
    this.#open();
    const { memory } = this.#host;
    await memory.reserve(this.#held, pages, signal);
    this.#open();
    memory.wake(this.#held);
    this.refresh();
  }

  /** Reserves more if that is too little. @throws {MemoryError} */
  #grow(positions: number): void {
    const { reservation } = this.#held;
    const missing = this.#host.memory.pagesFor(positions) - (reservation?.pages ?? 0);
    if (missing > 0) reservation?.grow(missing);
  }

  #release(): void {
    this.rewind(0);
    this.#host.memory.release(this.#held);
  }

  #open(): PagedCache {
    const { cache } = this.#held;
    if (!cache || this.#isFreed || this.#host.scheduler.disposed) throw disposedError();
    return cache;
  }
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}
