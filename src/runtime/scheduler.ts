/**
 * Owns a model's program and batches the work of all sequences into steps. Sequences that generate come first. Prompts take
 * turns and are processed in chunks small enough not to delay the next token of the others. Cancelled work is left out of the
 * next step. The result of a sequence does not depend on the other sequences in its steps.
 */
import { nextTask, TURN_INTERVAL } from '#leaf/runtime/nextTask';
import { EspalierError, OptionError, UnsupportedError } from '../core/errors.ts';
import { type BatchStep, isCached, type SequencePart, type Step } from '../graph/step.ts';
import { disposedError } from './cache/cacheMemory.ts';
import { checkIds, vocabularyOf } from './graphKind.ts';
import type { Pacer } from './pacer.ts';
import { PieceSize } from './pieceSize.ts';
import type { Submodel } from './submodels.ts';
import {
  countTokens,
  type LoneWork,
  MAX_DRAFT_TOKENS,
  nextPiece,
  type Piece,
  showRows,
  stepOf,
  Task,
  type Work,
} from './task.ts';

/** While a pacer holds steps back, work that is cancelled ends within this time, in milliseconds. */
const MAX_SLEEP = 50;
/** A stream counts as active for this many step times after its last token. */
const RECENT = 8;
const NONE: readonly number[] = [];

const tokensOf = (step: Step): number =>
  isCached(step) ? step.sequences.reduce((sum, { tokens }) => sum + tokens.length, 0) : step.tokens.length;

export class Scheduler {
  /** By name. All of them take the same steps and pages. */
  readonly #submodels: ReadonlyMap<string, Submodel>;
  /** Submodel that runs unless the pacer says otherwise. */
  #chosen: Submodel;
  /** Submodel of the current step. */
  #current: Submodel;
  readonly #inputs: Step['inputs'];
  readonly #vocabulary: number;
  readonly #pieces = new PieceSize();
  readonly #tasks: Task[] = [];
  #isRunning = false;
  #isDisposed = false;
  /** Time of the last turn of the event loop. */
  #yielded = Number.NEGATIVE_INFINITY;
  /** True if the last step had one task. */
  #wasAlone = false;
  #pacer: Pacer | undefined;
  /** Time of the last generated token of any stream. */
  #generated = Number.NEGATIVE_INFINITY;

  /** @param submodels at least one; the first runs @param inputs values of the graph's input nodes, the same in every step */
  constructor(submodels: readonly Submodel[], inputs?: Step['inputs']) {
    const [whole] = submodels as readonly [Submodel];
    this.#submodels = new Map(submodels.map((each) => [each.name, each]));
    this.#chosen = whole;
    this.#current = whole;
    this.#inputs = inputs;
    this.#vocabulary = vocabularyOf(whole.program.graph);
  }

  /** Name of the submodel that runs unless the pacer says otherwise. */
  get submodel(): string {
    return this.#chosen.name;
  }

  /** Name of the submodel that would run a step now. */
  get nextSubmodel(): string {
    return this.#next().name;
  }

  /** Runs another submodel from the next step on. @throws {OptionError} if there is none of this name */
  setSubmodel(name: string): void {
    const found = this.#submodels.get(name);
    if (!found) throw new OptionError('submodel', name, `one of ${[...this.#submodels.keys()].join(', ')}`);
    this.#chosen = found;
  }

  get maxTokens(): number {
    return this.#current.program.maxTokens;
  }

  get maxRows(): number {
    return this.#current.program.maxRows;
  }

  get disposed(): boolean {
    return this.#isDisposed;
  }

  /** Stops running steps and rejects all queued work. */
  dispose(): void {
    this.#isDisposed = true;
  }

  /** Sets what holds steps back, limits their threads and chooses the submodel. Default: nothing does. */
  setPacer(pacer: Pacer | undefined): void {
    this.#pacer = pacer;
  }

  /** Milliseconds, without the time for which the pacer has held steps back. */
  clock(): number {
    return this.#pacer?.clock?.() ?? performance.now();
  }

  /** Records that a stream has got tokens at once, `seconds` of `clock` after it asked for them. */
  observeTokens(tokens: number, seconds: number): void {
    this.#pacer?.observeTokens?.(tokens, seconds);
  }

  /**
   * Computes tokens of a sequence.
   * @returns the tokens that `rules` chose, one per row; none without rules
   * @throws the signal's reason before the next step; {EspalierError} SESSION_BUSY if the sequence is being computed already;
   *   {UnsupportedError} if the model does not predict tokens and the work needs it; {OptionError} for an id outside the vocabulary
   */
  submit(work: Work): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      if ((work.rules || work.output === 'logits') && !this.#current.program.graph.outputs.has('logits')) {
        reject(new UnsupportedError('predicting tokens with', 'a model without an output matrix', ['embed', 'rank']));
        return;
      }
      checkIds(work.tokens, this.#vocabulary, 'tokens');
      this.#enqueue(new Task(work, resolve, reject));
    });
  }

  /** Runs work alone, between two steps. @throws as `submit`, and what `perform` throws */
  async runAlone(lone: LoneWork): Promise<void> {
    await new Promise<readonly number[]>((resolve, reject) => {
      const { sequence, signal } = lone;
      this.#enqueue(new Task({ sequence, signal, tokens: NONE, rows: NONE }, resolve, reject, lone));
    });
  }

  /** Runs a batch without a cache. @returns one of its outputs @throws as `submit` */
  async runBatch(step: BatchStep, output: string, signal?: AbortSignal): Promise<Float32Array> {
    let values: Float32Array | undefined;
    await this.runAlone({
      signal,
      perform: async (run) => {
        const result = run({ ...step, outputs: [output] });
        values = await result.output(output);
        result.release();
        return { tokens: step.tokens.length, rows: step.rows.length };
      },
    });
    return values!;
  }

  #enqueue(task: Task): void {
    for (const { sequence } of this.#tasks) {
      if (!sequence || sequence !== task.sequence) continue;
      task.reject(
        new EspalierError('SESSION_BUSY', 'this sequence is being computed already: wait for it, or fork it'),
      );
      return;
    }
    this.#tasks.push(task);
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#tasks.length > 0) {
      try {
        await this.#turn();
      } catch (error) {
        // of the pacer: all work fails, because work that waits for ever tells nobody why
        for (const task of [...this.#tasks]) this.#fail(task, error);
      }
    }
    this.#isRunning = false;
  }

  /** Runs one step. */
  async #turn(): Promise<void> {
    // yield to the event loop: signals, consumers of tokens, new work
    if (!this.#isUndisturbed()) {
      await nextTask();
      this.#yielded = performance.now();
    }
    this.#dropCancelled();
    if (this.#pacer) await this.#holdBack();
    this.#current = this.#next();
    const [first] = this.#tasks;
    if (first?.lone) {
      await this.#perform(first, first.lone);
      return;
    }
    const pieces = this.#plan();
    const parts: SequencePart[] = [];
    for (const piece of pieces) {
      const sequence = piece.task.sequence!;
      sequence.beginStep();
      try {
        const part = sequence.part(piece.tokens);
        parts.push(part instanceof Promise ? await part : part);
      } catch (error) {
        // out of memory, or the sequence was freed
        this.#fail(piece.task, error);
      }
    }
    const ready = parts.length === pieces.length ? pieces : pieces.filter(({ task }) => this.#tasks.includes(task));
    const started = performance.now();
    this.#wasAlone = ready.length === 1;
    await this.#compute(ready, parts);
    for (const { task } of pieces) task.sequence!.endStep();
    this.#observe(ready, started, parts.length === 1 ? parts[0].position : undefined);
  }

  async #perform(task: Task, { perform, sequence }: LoneWork): Promise<void> {
    const started = performance.now();
    sequence?.beginStep();
    try {
      const { name, program } = this.#current;
      const run = (step: Step) => {
        const threads = this.#pacer?.threads(tokensOf(step));
        return program.run({ ...step, inputs: { ...this.#inputs, ...step.inputs }, threads });
      };
      const done = await perform(run, name);
      this.#wasAlone = true;
      const ended = performance.now();
      if (sequence) this.#generated = ended;
      // neither a part of the layers nor a batch says something of the time of a token
      if (done) this.#pacer?.observe({ ...done, isDecoding: false, seconds: (ended - started) / 1000 });
      this.#finish(task);
    } catch (error) {
      this.#fail(task, error);
    } finally {
      sequence?.endStep();
    }
  }

  /** The submodel that the pacer names, or else the chosen one. The pacer of an earlier generation may name one that this one lacks. */
  #next(): Submodel {
    const named = this.#pacer?.submodel?.();
    return (named !== undefined && this.#submodels.get(named)) || this.#chosen;
  }

  /**
   * True if one stream runs alone and the event loop has just had its turn. On a model that takes 70 µs a token, a turn for
   * each token costs 5%. Streams that share steps need the turn, so that all of them submit their next token before the step.
   */
  #isUndisturbed(): boolean {
    const [only] = this.#tasks;
    if (!this.#wasAlone || !only || this.#tasks.length > 1 || only.tokens.length > 1) return false;
    return performance.now() - this.#yielded < TURN_INTERVAL;
  }

  /** Waits as long as the pacer says, or until nothing is left to run. */
  async #holdBack(): Promise<void> {
    while (this.#tasks.length > 0) {
      const milliseconds = this.#pacer?.wait() ?? 0;
      if (!(milliseconds > 0)) return;
      await new Promise((resolve) => {
        setTimeout(resolve, Math.min(milliseconds, MAX_SLEEP));
      });
      this.#dropCancelled();
    }
  }

  #dropCancelled(): void {
    for (let i = this.#tasks.length - 1; i >= 0; i--) {
      const task = this.#tasks[i];
      if (this.#isDisposed) this.#fail(task, disposedError());
      else if (task.signal?.aborted) this.#fail(task, task.signal.reason);
    }
  }

  /** Chooses the parts of the next step. */
  #plan(): Piece[] {
    const [only] = this.#tasks;
    // one stream alone needs no shares
    if (only && this.#tasks.length === 1 && only.tokens.length === 1) return [only];
    const pieces: Piece[] = [];
    const { maxTokens, maxRows } = this.#current.program;
    const room = { tokens: maxTokens, rows: maxRows };
    const take = (task: Task, most: number): number => {
      const piece = nextPiece(task, Math.min(most, room.tokens), room.rows);
      if (!piece) return 0;
      room.tokens -= piece.tokens.length;
      room.rows -= piece.rows.length;
      pieces.push(piece);
      return piece.tokens.length;
    };
    const prompts: Task[] = [];
    for (const task of this.#tasks) {
      if (task.lone) continue;
      if (task.isDecoding) take(task, MAX_DRAFT_TOKENS);
      else prompts.push(task);
    }
    const [first] = prompts;
    if (!first) return pieces;
    const isAwaited = pieces.length > 0 || performance.now() - this.#generated < RECENT * this.#pieces.stepTime;
    const generated = maxTokens - room.tokens;
    let left = isAwaited ? Math.min(room.tokens, this.#pieces.beside(generated)) : room.tokens;
    for (const [i, task] of prompts.entries()) left -= take(task, Math.ceil(left / (prompts.length - i)));
    // prompts take turns at going first
    this.#remove(first);
    this.#tasks.push(first);
    return pieces;
  }

  async #compute(pieces: readonly Piece[], parts: readonly SequencePart[]): Promise<void> {
    if (pieces.length === 0) return;
    try {
      const threads = this.#pacer?.threads(countTokens(pieces));
      const step = stepOf(pieces, parts, this.#inputs, threads);
      const result = this.#current.program.run(step);
      const choices = step.choose && (await result.choices());
      let outputs: Map<string, Float32Array> | undefined;
      for (const name of step.outputs!) (outputs ??= new Map()).set(name, await result.output(name));
      if (!choices && !outputs) await result.finished();
      this.#deliver(pieces, step.rows.length, choices, outputs);
    } catch (error) {
      if (pieces.length === 1) this.#fail(pieces[0].task, error);
      // only the task that caused the error fails
      else for (const [i, piece] of pieces.entries()) await this.#compute([piece], [parts[i]]);
    }
  }

  /** Distributes the results of a step. */
  #deliver(
    pieces: readonly Piece[],
    count: number,
    choices: Int32Array | undefined,
    outputs: ReadonlyMap<string, Float32Array> | undefined,
  ): void {
    let row = 0;
    for (const { task, tokens, rows } of pieces) {
      task.sequence!.append(tokens, this.#current.name);
      task.done += tokens.length;
      task.shown += rows.length;
      const first = row;
      row += rows.length;
      if (task.rules && choices) for (let i = first; i < row; i++) task.choices.push(choices[i]);
      const isDone = task.done === task.tokens.length;
      try {
        const { output } = task.work;
        const values = output && outputs?.get(output);
        if (values) showRows(task, rows, values, first, count);
        if (task.tokens.length > 1)
          task.work.onProgress?.({ stage: 'prefill', done: task.done, total: task.tokens.length, unit: 'tokens' });
      } catch (error) {
        this.#fail(task, error);
        continue;
      }
      if (isDone) this.#finish(task);
    }
  }

  /** Records how long the step took, if streams waited for it. */
  #observe(pieces: readonly Piece[], started: number, depth: number | undefined): void {
    if (pieces.length === 0) return;
    let prompt = 0;
    let isAwaited = false;
    const all = { tokens: 0, rows: 0 };
    for (const { task, tokens, rows } of pieces) {
      all.tokens += tokens.length;
      all.rows += rows.length;
      if (task.rules && tokens.length <= task.rules.length) isAwaited = true;
      else if (tokens.length > 1) prompt += tokens.length;
    }
    const ended = performance.now();
    this.#pacer?.observe({ ...all, isDecoding: isAwaited, seconds: (ended - started) / 1000, depth });
    if (!isAwaited) return;
    this.#generated = ended;
    this.#pieces.observe(prompt, ended - started);
  }

  #finish(task: Task): void {
    this.#remove(task);
    if (task.sequence?.isFreed) task.reject(disposedError());
    else task.resolve(task.choices);
  }

  #fail(task: Task, error: unknown): void {
    this.#remove(task);
    // whatever a disposed program does to the steps that ran
    task.reject(this.#isDisposed ? disposedError() : error);
  }

  #remove(task: Task): void {
    const at = this.#tasks.indexOf(task);
    if (at >= 0) this.#tasks.splice(at, 1);
  }
}
