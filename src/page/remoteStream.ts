/** Streams the pieces of a generation from the worker, which computes a few pieces ahead while the page renders. */
import type { Remote } from './remote.ts';

/** Maximum number of pieces sent and not yet consumed. */
const AHEAD = 16;

interface Waiting {
  resolve(result: IteratorResult<unknown, undefined>): void;
  reject(error: unknown): void;
}

type Parts = Pick<Remote, 'connection' | 'id' | 'given'>;

export class RemoteStream {
  readonly #remote: Parts;
  readonly #ready: unknown[] = [];
  readonly #waiting: Waiting[] = [];
  /** Requests more pieces. Undefined before iteration starts. */
  #ask: ((credit: number) => void) | undefined;
  #taken = 0;
  #isDone = false;
  #failure: { readonly error: unknown } | undefined;
  /** The signal's reason, once it has fired. The stream ends when the worker's does, which leaves the session free. */
  #aborted: { readonly error: unknown } | undefined;

  constructor(remote: Parts) {
    this.#remote = remote;
    remote.given.fail = (error) => this.#finish({ error });
    remote.given.abort = (reason) => this.#abort(reason);
  }

  async next(): Promise<IteratorResult<unknown, undefined>> {
    this.#start();
    if (this.#ready.length > 0) return { value: this.#take(), done: false };
    if (this.#failure) {
      const { error } = this.#failure;
      this.#failure = undefined;
      throw error;
    }
    if (this.#isDone) return { value: undefined, done: true };
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async return(): Promise<IteratorResult<unknown, undefined>> {
    const { connection, id } = this.#remote;
    const stopping = connection.call(id, 'return', []);
    // the worker's loop may be waiting for a request
    this.#ask?.(1);
    this.#ready.length = 0;
    await stopping;
    this.#ready.length = 0;
    this.#finish();
    return { value: undefined, done: true };
  }

  /** Reads a promise field of the worker's object, e.g. `result`. */
  async promise(name: string): Promise<unknown> {
    const { connection, id, given } = this.#remote;
    try {
      return await connection.get(id, name);
    } finally {
      if (!this.#ask) connection.forget(given);
    }
  }

  #start(): void {
    if (this.#ask || this.#isDone) return;
    const { connection, id } = this.#remote;
    const { end, ask } = connection.iterate(id, AHEAD, (piece) => this.#push(piece));
    this.#ask = ask;
    end.then(
      () => this.#finish(this.#aborted),
      (error) => this.#finish({ error }),
    );
  }

  #push(piece: unknown): void {
    if (this.#isDone || this.#aborted) return;
    this.#ready.push(piece);
    this.#waiting.shift()?.resolve({ value: this.#take(), done: false });
  }

  #take(): unknown {
    if (++this.#taken % (AHEAD / 2) === 0) this.#ask?.(AHEAD / 2);
    return this.#ready.shift();
  }

  /** Drops the pieces sent ahead, because a generation in the page yields none after its signal has fired. */
  #abort(error: unknown): void {
    if (!this.#ask || this.#isDone) return;
    this.#aborted = { error };
    this.#ready.length = 0;
    // the worker's loop may be waiting for a request
    this.#ask(1);
  }

  #finish(failure?: { readonly error: unknown }): void {
    if (this.#isDone) return;
    this.#isDone = true;
    const [first, ...others] = this.#waiting.splice(0);
    if (failure && first) first.reject(failure.error);
    else {
      this.#failure = failure;
      first?.resolve({ value: undefined, done: true });
    }
    for (const { resolve } of others) resolve({ value: undefined, done: true });
    this.#remote.connection.forget(this.#remote.given);
  }
}
