/** The past tokens of a session and their KV cache. Knows nothing of text and sampling. */

import { nextTask } from '#leaf/runtime/nextTask';
import { EspalierError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { Program } from '../graph/program.ts';
import type { Cache, Choosing, Step, StepResult } from '../graph/step.ts';
import type { ChoiceRule } from '../sampling/chooseToken.ts';

export interface AdvanceOptions {
  /** Rows whose outputs are computed: ascending indices into the tokens. */
  readonly rows: readonly number[];
  readonly output: 'logits' | 'hidden';
  /** Called for each selected row in order. */
  readonly onRow: (row: number, values: Float32Array) => void;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** The part of the engine that sequences need. */
export interface SequenceHost {
  readonly program: Program;
  readonly disposed: boolean;
  readonly inputs: Step['inputs'];
  readonly weightsVersion: number;
  /** Releases a cache that is no longer needed. */
  release(cache: Cache): void;
}

export class Sequence {
  readonly context: number;
  readonly #host: SequenceHost;
  #cache: Cache | undefined;
  #tokens: number[] = [];
  /** Version of the weights that the cache was computed with. */
  #version: number;

  constructor(host: SequenceHost, cache: Cache) {
    this.#host = host;
    this.#cache = cache;
    this.context = cache.context;
    this.#version = host.weightsVersion;
  }

  /** Tokens in the cache. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  get cacheBytes(): number {
    return this.#cache?.bytes ?? 0;
  }

  /** Maximum rows that one step returns. */
  get maxRows(): number {
    return this.#host.program.maxRows;
  }

  /** Clears the cache if the weights have changed since it was computed. */
  refresh(): void {
    if (this.#version !== this.#host.weightsVersion) this.rewind(0);
    this.#version = this.#host.weightsVersion;
  }

  /** Discards all but the first `length` tokens. */
  rewind(length: number): void {
    this.#tokens.length = Math.min(this.#tokens.length, length);
  }

  /** Appends and runs tokens, in as many steps as the program needs. Lets other tasks run between steps. */
  async advance(tokens: readonly number[], options: AdvanceOptions): Promise<void> {
    const { rows, signal, onProgress } = options;
    for (let done = 0, asked = 0; done < tokens.length; ) {
      await nextTask();
      signal?.throwIfAborted();
      let end = Math.min(tokens.length, done + this.#host.program.maxTokens);
      let wanted = asked;
      while (wanted < rows.length && rows[wanted] < end) wanted++;
      if (wanted - asked > this.#host.program.maxRows) {
        wanted = asked + this.#host.program.maxRows;
        end = rows[wanted - 1] + 1;
      }
      const result = this.#step(
        tokens.slice(done, end),
        rows.slice(asked, wanted).map((row) => row - done),
        options.output,
      );
      await this.#showRows(result, rows.slice(asked, wanted), options);
      asked = wanted;
      done = end;
      onProgress?.({ stage: 'prefill', done, total: tokens.length, unit: 'tokens' });
    }
  }

  /** Runs one token and returns the next token's logits [V]. */
  async next(token: number): Promise<Float32Array> {
    return this.#step([token], [0], 'logits').output('logits');
  }

  /** Runs one token and lets the backend choose the next one. @returns [1] */
  choose(token: number, rule: ChoiceRule): Promise<Int32Array> {
    return this.#step([token], [0], undefined, { output: 'logits', rules: [rule] }).choices();
  }

  /** Returns a copy that is independent of this sequence. */
  fork(cache: Cache): Sequence {
    const fork = new Sequence(this.#host, cache);
    // later steps see the copy
    void cache.copyFrom(this.#open(), this.#tokens.length);
    fork.#tokens = [...this.#tokens];
    fork.#version = this.#version;
    return fork;
  }

  /** Releases the cache. Later calls throw. */
  free(): void {
    if (this.#cache) this.#host.release(this.#cache);
    this.#cache = undefined;
    this.#tokens = [];
  }

  #step(
    tokens: readonly number[],
    rows: readonly number[],
    output: 'logits' | 'hidden' | undefined,
    choose?: Choosing,
  ): StepResult {
    const outputs = rows.length > 0 && output ? [output] : [];
    const { program, inputs } = this.#host;
    const position = this.#tokens.length;
    const result = program.run({ cache: this.#open(), tokens, position, rows, outputs, choose, inputs });
    for (const token of tokens) this.#tokens.push(token);
    return result;
  }

  async #showRows(result: StepResult, rows: readonly number[], { output, onRow }: AdvanceOptions): Promise<void> {
    if (rows.length === 0) return result.finished();
    const values = await result.output(output);
    const width = values.length / rows.length;
    for (const [i, row] of rows.entries()) onRow(row, values.subarray(i * width, (i + 1) * width));
  }

  #open(): Cache {
    if (!this.#cache || this.#host.disposed)
      throw new EspalierError('DISPOSED', 'this session was disposed, or its model was');
    return this.#cache;
  }
}
