/** The tokens of one session's past and the cache that holds them. Knows no text and no sampling. */

import { nextTask } from '#leaf/runtime/nextTask';
import { EspalierError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { Cache, Program, Step } from '../graph/program.ts';

export interface AdvanceOptions {
  /** Which of the tokens' outputs are wanted: indices, ascending. */
  readonly rows: readonly number[];
  readonly output: 'logits' | 'hidden';
  /** Called for each wanted row in order; `values` is a view that the next call overwrites. */
  readonly onRow: (row: number, values: Float32Array) => void;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** What timelines hang on: the model's program, until it is disposed. */
export interface TimelineHost {
  readonly program: Program;
  readonly disposed: boolean;
  readonly inputs: Step['inputs'];
  readonly weightsVersion: number;
}

export class Timeline {
  readonly context: number;
  readonly #host: TimelineHost;
  #cache: Cache | undefined;
  #tokens: number[] = [];
  /** Of the weights that the cache was computed with. */
  #version: number;

  constructor(host: TimelineHost, cache: Cache) {
    this.#host = host;
    this.#cache = cache;
    this.context = cache.context;
    this.#version = host.weightsVersion;
  }

  /** What the cache holds. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  get cacheBytes(): number {
    return this.#cache?.bytes ?? 0;
  }

  /** Rows that one step returns at most. */
  get maxRows(): number {
    return this.#host.program.maxRows;
  }

  /** Forgets all where the weights are not those any more that it was computed with. */
  refresh(): void {
    if (this.#version !== this.#host.weightsVersion) this.rewind(0);
    this.#version = this.#host.weightsVersion;
  }

  /** Forgets all but the first `length` tokens. */
  rewind(length: number): void {
    this.#tokens.length = Math.min(this.#tokens.length, length);
  }

  /** Runs the tokens as the continuation of the past, in as many steps as the program needs, others' work between two. */
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
      this.#step(
        tokens.slice(done, end),
        rows.slice(asked, wanted).map((row) => row - done),
        options.output,
      );
      for (let i = asked; i < wanted; i++) options.onRow(rows[i], this.#row(options.output, i - asked));
      asked = wanted;
      done = end;
      onProgress?.({ stage: 'prefill', done, total: tokens.length, unit: 'tokens' });
    }
  }

  /** Runs one token and gives what follows it: logits [V], a view that the next step of any session overwrites. */
  next(token: number): Float32Array {
    this.#step([token], [0], 'logits');
    return this.#row('logits', 0);
  }

  /** A timeline of its own with the same past. */
  fork(cache: Cache): Timeline {
    const fork = new Timeline(this.#host, cache);
    cache.copyFrom(this.#open(), this.#tokens.length);
    fork.#tokens = [...this.#tokens];
    fork.#version = this.#version;
    return fork;
  }

  /** Gives the cache back; any further step is an error. */
  free(): void {
    if (!this.#host.disposed) this.#cache?.free();
    this.#cache = undefined;
    this.#tokens = [];
  }

  #step(tokens: readonly number[], rows: readonly number[], output: 'logits' | 'hidden'): void {
    const outputs = rows.length > 0 ? [output] : [];
    const { program, inputs } = this.#host;
    program.run({ cache: this.#open(), tokens, position: this.#tokens.length, rows, outputs, inputs });
    for (const token of tokens) this.#tokens.push(token);
  }

  #row(output: string, row: number): Float32Array {
    const width = this.#host.program.graph.outputs.get(output)!.shape[1];
    return this.#host.program.output(output).subarray(row * width, (row + 1) * width);
  }

  #open(): Cache {
    if (!this.#cache || this.#host.disposed)
      throw new EspalierError('DISPOSED', 'this session was disposed, or its model was');
    return this.#cache;
  }
}
