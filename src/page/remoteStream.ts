/** Pieces of a generation, as the worker sends them: it goes on while the page draws, some pieces ahead of it. */
import type { Remote } from './remote.ts';

/** Maximum pieces that were sent and not taken. */
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
  /** Asks for more pieces; undefined before the first is asked for. */
  #ask: ((credit: number) => void) | undefined;
  #taken = 0;
  #isDone = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(remote: Parts) {
    this.#remote = remote;
    remote.given.fail = (error) => this.#finish({ error });
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
    // the worker's loop may be waiting to be asked for more
    this.#ask?.(1);
    this.#ready.length = 0;
    await stopping;
    this.#ready.length = 0;
    this.#finish();
    return { value: undefined, done: true };
  }

  /** A promise of the worker's object: the record of a generation. */
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
      () => this.#finish(),
      (error) => this.#finish({ error }),
    );
  }

  #push(piece: unknown): void {
    if (this.#isDone) return;
    this.#ready.push(piece);
    this.#waiting.shift()?.resolve({ value: this.#take(), done: false });
  }

  #take(): unknown {
    if (++this.#taken % (AHEAD / 2) === 0) this.#ask?.(AHEAD / 2);
    return this.#ready.shift();
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
