/**
 * The page's proxy for an object in the worker. Its methods return promises; its fields hold the values of the worker's last
 * answer. It is generic: one proxy class serves all classes of the API.
 */
import { EspalierError } from '../core/errors.ts';
import type { Connection, Given } from './connection.ts';
import { RemoteStream } from './remoteStream.ts';
import { promises, synchronous } from './synchronous.ts';
import type { Snapshot } from './wire.ts';

export interface Remote {
  readonly id: number;
  readonly connection: Connection;
  snapshot: Snapshot;
  /** Undefined before the worker's first answer. */
  methods?: ReadonlySet<string>;
  readonly isStream?: boolean | undefined;
  /** Functions and signals of the call that created it. */
  readonly given: Given;
}

const remotes = new WeakMap<object, Remote>();

export function remoteOf(object: object): Remote | undefined {
  return remotes.get(object);
}

export function makeRemote(remote: Remote): object {
  const object = new Proxy({}, new Members(remote));
  remotes.set(object, remote);
  return object;
}

class Members implements ProxyHandler<object> {
  readonly #remote: Remote;
  readonly #stream: RemoteStream | undefined;

  constructor(remote: Remote) {
    this.#remote = remote;
    if (remote.isStream) this.#stream = new RemoteStream(remote);
  }

  get(_: object, name: string | symbol, receiver: object): unknown {
    if (typeof name === 'symbol') return this.#symbol(name, receiver);
    // not a promise, so that `await` returns the object itself
    if (name === 'then') return undefined;
    const { snapshot, methods } = this.#remote;
    const stream = this.#stream;
    if (stream && promises.has(name)) return holding(receiver, stream.promise(name));
    if (stream && (name === 'next' || name === 'return')) return () => holding(receiver, stream[name]());
    if (name === 'dispose') return () => this.#dispose();
    if (Object.hasOwn(snapshot, name)) return this.#value(name);
    if (methods && !methods.has(name)) return undefined;
    return (...args: unknown[]) => this.#call(name, args);
  }

  has(_: object, name: string | symbol): boolean {
    const { snapshot, methods } = this.#remote;
    return typeof name === 'string' && (Object.hasOwn(snapshot, name) || (methods?.has(name) ?? synchronous.has(name)));
  }

  ownKeys(): string[] {
    return Object.keys(this.#remote.snapshot);
  }

  getOwnPropertyDescriptor(_: object, name: string | symbol): PropertyDescriptor | undefined {
    if (typeof name === 'symbol' || !Object.hasOwn(this.#remote.snapshot, name)) return undefined;
    return { get: () => this.#value(name), enumerable: true, configurable: true };
  }

  set(): boolean {
    return false;
  }

  #symbol(name: symbol, receiver: object): unknown {
    if (name === Symbol.asyncIterator && this.#stream) return () => receiver;
    if (name === Symbol.dispose) return () => this.#dispose();
    return undefined;
  }

  /** @throws the error that the worker's getter throws */
  #value(name: string): unknown {
    const wire = this.#remote.snapshot[name];
    const value = this.#remote.connection.decode(wire);
    if ('error' in wire) throw value;
    return value;
  }

  #call(name: string, args: readonly unknown[]): unknown {
    const { connection, id, snapshot } = this.#remote;
    const made = synchronous.get(name);
    if (!made) return connection.call(id, name, args);
    return connection.make(id, name, args, { snapshot: made.initial(snapshot), isStream: made.isStream });
  }

  /** An object returned by an exported function, such as the model, owns the worker. */
  #dispose(): void {
    const { connection, id, snapshot } = this.#remote;
    if (id % 2 !== 0) {
      connection.call(id, 'dispose', []).catch(() => undefined);
      return;
    }
    if (Object.hasOwn(snapshot, 'memoryBytes')) this.#remote.snapshot = { ...snapshot, memoryBytes: { plain: 0 } };
    connection.close(new EspalierError('DISPOSED', 'the model was disposed of'));
  }
}

/** Keeps a stream from being collected, which would end it in the worker, while a promise of it is pending. */
function holding<T>(stream: object, promise: Promise<T>): Promise<T> {
  return promise.finally(() => void stream);
}
