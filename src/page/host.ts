/** The worker's side of the protocol: runs the page's calls on the real functions and objects. */
import { EspalierError } from '../core/errors.ts';
import { describe, isRemote } from './describe.ts';
import { FUNCTIONS, type Snapshots, type ToPage, type ToWorker } from './messages.ts';
import { type Decoder, decode, type Encoder, encode, type RemoteReference, type Snapshot, type Wire } from './wire.ts';

type Members = Record<string, unknown>;

interface Hosted {
  readonly object: Members;
  readonly values: readonly string[];
  /** Object whose method returned this one. Its fields may change together with this object's. */
  readonly owner: number;
  /** Field values as last sent to the page. */
  readonly known: Map<string, unknown>;
}

/** A stream that the page iterates. */
interface Stream {
  readonly iterator: AsyncIterator<unknown>;
  /** Number of the iterated object. */
  readonly target: number;
  credit: number;
  resume?: () => void;
}

/** Time limit for helper threads to end, in milliseconds. */
const END_DELAY = 50;

export class Host {
  readonly #functions: (name: string) => Promise<Members>;
  readonly #post: (message: ToPage, transfer?: Transferable[]) => void;
  readonly #objects = new Map<number, Hosted>();
  readonly #ids = new WeakMap<object, number>();
  readonly #signals = new Map<number, AbortController>();
  readonly #streams = new Map<number, Stream>();
  /** Callbacks waiting for the page's answer. */
  readonly #asked = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  /** Errors of calls that failed to create an object, by object number. */
  readonly #failures = new Map<number, unknown>();
  #next = 2;

  /** @param functions loads the group of functions that contains the name */
  constructor(
    functions: (name: string) => Promise<Members>,
    post: (message: ToPage, transfer?: Transferable[]) => void,
  ) {
    this.#functions = functions;
    this.#post = post;
  }

  receive(message: ToWorker): void {
    switch (message.type) {
      case 'call':
        void this.#answer(message.id, message.target, () => this.#call(message));
        return;
      case 'get':
        void this.#answer(message.id, message.target, () => this.#object(message.target)[message.member]);
        return;
      case 'iterate':
        void this.#answer(message.id, message.target, () => this.#iterate(message.id, message.target, message.credit));
        return;
      case 'credit':
        this.#giveCredit(message.id, message.credit);
        return;
      case 'returned':
        this.#asked.get(message.id)?.resolve(decode(message.value, this.#decoder));
        this.#asked.delete(message.id);
        return;
      case 'thrown':
        this.#asked.get(message.id)?.reject(decode(message.error, this.#decoder));
        this.#asked.delete(message.id);
        return;
      case 'abort':
        this.#signals.get(message.signal)?.abort(decode(message.reason, this.#decoder));
        return;
      case 'end':
        this.#end();
        return;
      case 'forget':
        for (const signal of message.signals) this.#signals.delete(signal);
        for (const id of message.objects) this.#forget(id);
    }
  }

  /** Runs a call and sends its result or error, and the fields that it changed. */
  async #answer(id: number, target: number, work: () => unknown): Promise<void> {
    const transfer: Transferable[] = [];
    try {
      const result = await work();
      const value = encode(result, this.#encoder(target, transfer));
      this.#post({ type: 'result', id, value, snapshots: this.#changes(target) }, transfer);
    } catch (error) {
      const encoded = this.#encodeError(error);
      this.#post({ type: 'error', id, error: encoded, snapshots: this.#changes(target) });
    }
  }

  async #call({ target, member, args, result }: Extract<ToWorker, { type: 'call' }>): Promise<unknown> {
    const values = args.map((arg) => decode(arg, this.#decoder));
    if (result === undefined) return invoke(await this.#target(target, member), member, values);
    try {
      // synchronous, so that no other message is handled between the call and the creation of its object
      const made = invoke(this.#object(target), member, values) as Members;
      this.#keep(made, result, target);
      return made;
    } catch (error) {
      this.#failures.set(result, error);
      throw error;
    }
  }

  async #iterate(id: number, target: number, credit: number): Promise<unknown> {
    const iterator = (this.#object(target) as unknown as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    const stream: Stream = { iterator, target, credit };
    this.#streams.set(id, stream);
    try {
      for (;;) {
        if (stream.credit === 0)
          await new Promise<void>((resolve) => {
            stream.resume = resolve;
          });
        const { value, done } = await iterator.next();
        if (done) return undefined;
        stream.credit--;
        this.#post({ type: 'piece', id, value: encode(value, this.#encoder(target, [])) });
      }
    } finally {
      this.#streams.delete(id);
    }
  }

  #giveCredit(id: number, credit: number): void {
    const stream = this.#streams.get(id);
    if (!stream) return;
    stream.credit += credit;
    stream.resume?.();
    stream.resume = undefined;
  }

  async #target(target: number, member: string): Promise<Members> {
    return target === FUNCTIONS ? this.#functions(member) : this.#object(target);
  }

  #object(id: number): Members {
    const hosted = this.#objects.get(id);
    if (hosted) return hosted.object;
    if (this.#failures.has(id)) throw this.#failures.get(id);
    throw new EspalierError('DISPOSED', 'the object was disposed of');
  }

  #keep(object: Members, id: number, owner: number): void {
    this.#objects.set(id, { object, values: describe(object).values, owner, known: new Map() });
    this.#ids.set(object, id);
  }

  #forget(id: number): void {
    this.#objects.delete(id);
    this.#failures.delete(id);
    for (const stream of this.#streams.values()) if (stream.target === id) this.#stop(stream);
  }

  /** Ends a stream that the page no longer references, so that its session is free again. */
  #stop(stream: Stream): void {
    stream.iterator.return?.().catch(() => undefined);
    // the loop may be waiting for credit, now or after its next piece
    stream.credit = Number.POSITIVE_INFINITY;
    stream.resume?.();
  }

  /** Ends helper threads first, because sleeping ones delay the end of their worker by seconds. */
  #end(): void {
    for (const { object, owner } of this.#objects.values())
      if (owner === FUNCTIONS && typeof object.dispose === 'function') object.dispose();
    setTimeout(() => this.#post({ type: 'ended' }), END_DELAY);
  }

  /** Collects the changed fields of an object and of its owners. */
  #changes(target: number): Snapshots {
    const changes: [number, Snapshot][] = [];
    for (let id = target, hosted = this.#objects.get(id); hosted; id = hosted.owner, hosted = this.#objects.get(id)) {
      const snapshot = this.#news(id, hosted);
      if (Object.keys(snapshot).length > 0) changes.push([id, snapshot]);
    }
    return changes;
  }

  #news(id: number, { object, values, known }: Hosted): Snapshot {
    const news: Record<string, Wire> = {};
    for (const name of values) {
      let value: unknown;
      try {
        value = object[name];
      } catch (error) {
        value = error;
      }
      if (known.has(name) && isSame(known.get(name), value)) continue;
      known.set(name, value);
      news[name] = encode(value, this.#encoder(id, []));
    }
    return news;
  }

  /** @param owner owner of objects that are sent for the first time */
  #encoder(owner: number, transfer: Transferable[]): Encoder {
    return {
      transfer,
      reasonOf: (error) => this.#reasonOf(error),
      object: (value) => (isRemote(value) ? this.#reference(value as Members, owner) : undefined),
    };
  }

  #encodeError(error: unknown): Wire {
    const reasonOf = this.#reasonOf(error);
    return reasonOf === undefined ? encode(error, this.#encoder(FUNCTIONS, [])) : { reasonOf };
  }

  #reference(value: Members, owner: number): RemoteReference {
    let id = this.#ids.get(value);
    if (id === undefined || !this.#objects.has(id)) {
      id ??= this.#next;
      this.#next += 2;
      this.#keep(value, id, owner);
    }
    const hosted = this.#objects.get(id)!;
    return { id, methods: describe(value).methods, snapshot: this.#news(id, hosted) };
  }

  #reasonOf(error: unknown): number | undefined {
    for (const [id, { signal }] of this.#signals) if (signal.aborted && signal.reason === error) return id;
    return undefined;
  }

  readonly #decoder: Decoder = {
    object: ({ id }) => this.#object(id),
    signal: (id, aborted, reason) => {
      const known = this.#signals.get(id);
      if (known) return known.signal;
      const controller = new AbortController();
      if (aborted) controller.abort(reason);
      this.#signals.set(id, controller);
      return controller.signal;
    },
    callback:
      (callback) =>
      (...args) =>
        this.#ask(callback, args),
  };

  /** Calls a function of the page. The caller may ignore the returned promise. */
  #ask(callback: number, args: readonly unknown[]): Promise<unknown> {
    const id = this.#next;
    this.#next += 2;
    const answer = new Promise<unknown>((resolve, reject) => this.#asked.set(id, { resolve, reject }));
    // nobody awaits this callback; the page reports its error
    answer.catch(() => undefined);
    const encoder = this.#encoder(FUNCTIONS, []);
    this.#post({ type: 'callback', id, callback, args: args.map((arg) => encode(arg, encoder)) });
    return answer;
  }
}

function invoke(object: Members, member: string, args: readonly unknown[]): unknown {
  const method = object[member];
  if (typeof method !== 'function') throw new EspalierError('BUG', `${member} is not a function`, { member });
  return method.apply(object, args);
}

/** True if a value need not be sent again. Fields with objects never change; lists of numbers only grow. */
function isSame(before: unknown, now: unknown): boolean {
  if (Array.isArray(before) && Array.isArray(now))
    return before.length === now.length && before.every((entry, i) => entry === now[i]);
  return before === now || (typeof before === 'object' && typeof now === 'object' && before !== null && now !== null);
}
