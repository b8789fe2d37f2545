/** The page's side of the worker protocol: sends calls, receives answers, and serves callbacks and abort signals. */
import { EspalierError, OptionError } from '../core/errors.ts';
import { FUNCTIONS, type ToPage, type ToWorker } from './messages.ts';
import { makeRemote, type Remote, remoteOf } from './remote.ts';
import { type Decoder, decode, type Encoder, encode, type RemoteReference, type Snapshot, type Wire } from './wire.ts';

/** Message transport to the worker. */
export interface Channel {
  post(message: ToWorker, transfer: Transferable[]): void;
  /** Ends the worker. */
  close(): void;
}

/** Functions and signals among a call's arguments. They are released when the call ends. */
export interface Given {
  readonly signals: number[];
  readonly callbacks: number[];
  readonly undo: (() => void)[];
  /** Ends the call with an error of a callback. */
  fail(error: unknown): void;
  /** Called when one of the signals fires, after the worker was told. */
  abort(reason: unknown): void;
}

export function nothingGiven(): Given {
  return { signals: [], callbacks: [], undo: [], fail: () => undefined, abort: () => undefined };
}

interface Call {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onPiece?: ((piece: unknown) => void) | undefined;
}

interface Callback {
  readonly run: (...args: unknown[]) => unknown;
  readonly given: Given;
}

export class Connection {
  readonly #channel: Channel;
  readonly #calls = new Map<number, Call>();
  readonly #callbacks = new Map<number, Callback>();
  readonly #signals = new Map<number, AbortSignal>();
  /** Weak references, so that sessions that the page no longer references are also collected in the worker. */
  readonly #objects = new Map<number, WeakRef<object>>();
  readonly #lost = new FinalizationRegistry<number>((id) => this.#lose(id));
  readonly #decoder: Decoder;
  #next = 1;
  /** Set when the worker has ended. */
  #closed: EspalierError | undefined;

  /** @param errors classes of errors by name */
  constructor(channel: Channel, errors: Decoder['errors']) {
    this.#channel = channel;
    this.#decoder = {
      object: (reference) => this.#object(reference),
      reasonOf: (id) => this.#signals.get(id)?.reason,
      ...(errors && { errors }),
    };
  }

  /** Calls an exported function. The worker ends when the page no longer references any object that it returned. */
  async callFunction(name: string, args: readonly unknown[]): Promise<unknown> {
    const given = nothingGiven();
    try {
      const result = await this.#call(FUNCTIONS, name, args, given);
      // a model calls the functions among its options, such as sensors, as long as it lives
      if (name === 'load') given.callbacks.length = 0;
      return result;
    } finally {
      this.forget(given);
      // a call that was refused here has no answer that would end its new worker
      this.#closeIfUnused();
    }
  }

  /** Calls a method. Releases the callbacks and signals among the arguments when the call ends. */
  async call(target: number, member: string, args: readonly unknown[]): Promise<unknown> {
    const given = nothingGiven();
    try {
      return await this.#call(target, member, args, given);
    } finally {
      this.forget(given);
    }
  }

  /**
   * Calls a method that returns an object synchronously.
   * @returns a proxy; the worker creates the object later
   * @throws {OptionError} if an argument belongs to another worker
   */
  make(target: number, member: string, args: readonly unknown[], parts: Pick<Remote, 'snapshot' | 'isStream'>): object {
    const id = this.#number();
    const given = nothingGiven();
    const asked = this.#call(target, member, args, given, id);
    const object = this.#make({ id, given, ...parts });
    // a failure rejects the object's own promises
    asked.catch((error) => given.fail(error));
    return object;
  }

  get(target: number, member: string): Promise<unknown> {
    return this.#ask((id) => ({ type: 'get', id, target, member }));
  }

  /** Starts a stream. @returns a function that requests more pieces, and a promise that resolves at the end */
  iterate(target: number, credit: number, onPiece: (piece: unknown) => void) {
    let number = 0;
    const end = this.#ask(
      (id) => {
        number = id;
        return { type: 'iterate', id, target, credit };
      },
      [],
      onPiece,
    );
    return { end, ask: (credit: number) => this.#post({ type: 'credit', id: number, credit }) };
  }

  decode(wire: Wire): unknown {
    return decode(wire, this.#decoder);
  }

  receive(message: ToPage): void {
    if (message.type === 'ready' || message.type === 'ended' || this.#closed) return;
    if (message.type === 'callback') {
      void this.#answer(message.id, message.callback, message.args);
      return;
    }
    const call = this.#calls.get(message.id);
    if (message.type === 'piece') {
      call?.onPiece?.(this.decode(message.value));
      return;
    }
    this.#calls.delete(message.id);
    for (const [id, snapshot] of message.snapshots) this.#update(id, snapshot);
    if (message.type === 'result') call?.resolve(this.decode(message.value));
    else call?.reject(this.decode(message.error));
    this.#closeIfUnused();
  }

  /** Ends the worker. Pending and later calls reject with `error`. */
  close(error: EspalierError): void {
    if (this.#closed) return;
    this.#closed = error;
    this.#channel.close();
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
    this.#callbacks.clear();
    this.#objects.clear();
  }

  forget({ signals, callbacks, undo }: Given): void {
    for (const end of undo.splice(0)) end();
    for (const id of callbacks.splice(0)) this.#callbacks.delete(id);
    for (const id of signals) this.#signals.delete(id);
    const ids = signals.splice(0);
    if (ids.length > 0) this.#post({ type: 'forget', signals: ids, objects: [] });
  }

  #call(target: number, member: string, args: readonly unknown[], given: Given, result?: number): Promise<unknown> {
    const transfer: Transferable[] = [];
    const encoder = this.#encoder(given, transfer, member, args);
    const wires = args.map((arg) => encode(arg, encoder));
    const asked = this.#ask(
      (id) => ({ type: 'call', id, target, member, args: wires, ...(result !== undefined && { result }) }),
      transfer,
    );
    if (result !== undefined) return asked;
    let thrown: { readonly error: unknown } | undefined;
    return new Promise((resolve, reject) => {
      given.fail = (error) => {
        thrown ??= { error };
        // the worker's call ends as if the page had aborted it: e.g. a client leaves its round
        for (const signal of given.signals) this.#post({ type: 'abort', signal, reason: encode(error, {}) });
        if (given.signals.length === 0) reject(error);
      };
      asked.then(
        (value) => (thrown ? reject(thrown.error) : resolve(value)),
        (error) => reject(thrown ? thrown.error : error),
      );
    });
  }

  #ask(message: (id: number) => ToWorker, transfer: Transferable[] = [], onPiece?: Call['onPiece']): Promise<unknown> {
    const id = this.#number();
    return new Promise((resolve, reject) => {
      if (this.#closed) throw this.#closed;
      // postMessage throws if a value cannot be cloned
      this.#channel.post(message(id), transfer);
      this.#calls.set(id, { resolve, reject, onPiece });
    });
  }

  #post(message: ToWorker): void {
    if (!this.#closed) this.#channel.post(message, []);
  }

  #number(): number {
    const id = this.#next;
    this.#next += 2;
    return id;
  }

  #encoder(given: Given, transfer: Transferable[], member: string, args: readonly unknown[]): Encoder {
    return {
      transfer,
      object: (value) => {
        const remote = remoteOf(value);
        // the same number is a different object there
        if (remote && remote.connection !== this) throw otherWorker(optionOf(value, args), member);
        return remote && { id: remote.id, methods: [], snapshot: {} };
      },
      callback: (run) => {
        const id = this.#number();
        this.#callbacks.set(id, { run, given });
        given.callbacks.push(id);
        return id;
      },
      signal: (signal) => {
        const id = this.#number();
        const abort = () => {
          this.#post({ type: 'abort', signal: id, reason: encode(signal.reason, {}) });
          given.abort(signal.reason);
        };
        signal.addEventListener('abort', abort);
        given.undo.push(() => signal.removeEventListener('abort', abort));
        this.#signals.set(id, signal);
        given.signals.push(id);
        return id;
      },
    };
  }

  /** Runs a callback. If it throws, the call that it was passed to rejects, as it would without a worker. */
  async #answer(id: number, callback: number, args: readonly Wire[]): Promise<void> {
    const known = this.#callbacks.get(callback);
    if (!known) {
      const error = new EspalierError('CALL_ENDED', 'the call that this function was passed to has ended');
      this.#post({ type: 'thrown', id, error: encode(error, {}) });
      return;
    }
    try {
      const value = await known.run(...args.map((arg) => this.decode(arg)));
      this.#post({ type: 'returned', id, value: encode(value, {}) });
    } catch (error) {
      this.#post({ type: 'thrown', id, error: encode(error, {}) });
      known.given.fail(error);
    }
  }

  #object({ id, methods, snapshot }: RemoteReference): object {
    const known = this.#objects.get(id)?.deref();
    const remote = known && remoteOf(known);
    if (!remote) return this.#make({ id, methods: new Set(methods), snapshot, given: nothingGiven() });
    remote.methods = new Set(methods);
    remote.snapshot = { ...remote.snapshot, ...snapshot };
    return known;
  }

  #make(parts: Omit<Remote, 'connection'>): object {
    const object = makeRemote({ ...parts, connection: this });
    this.#objects.set(parts.id, new WeakRef(object));
    this.#lost.register(object, parts.id);
    return object;
  }

  #update(id: number, snapshot: Snapshot): void {
    const object = this.#objects.get(id)?.deref();
    const remote = object && remoteOf(object);
    if (remote) remote.snapshot = { ...remote.snapshot, ...snapshot };
  }

  #lose(id: number): void {
    this.#objects.delete(id);
    this.#post({ type: 'forget', signals: [], objects: [id] });
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.#objects.size > 0 || this.#calls.size > 0) return;
    this.close(new EspalierError('DISPOSED', 'nothing of this worker was held any more'));
  }
}

function otherWorker(option: string, member: string): OptionError {
  const advice = `in a page, each load() starts a worker; load all models and call ${member} in one worker of your own`;
  return new OptionError(option, 'an object of another worker', `an object of the same worker: ${advice}`);
}

/** Returns the name of the option whose value is `value`. */
function optionOf(value: unknown, args: readonly unknown[]): string {
  for (const arg of args) {
    if (typeof arg !== 'object' || arg === null || remoteOf(arg)) continue;
    const found = Object.entries(arg).find(([, entry]) => entry === value);
    if (found && !Array.isArray(arg)) return found[0];
  }
  return 'argument';
}
