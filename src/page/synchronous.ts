/**
 * Lists the API methods that return an object synchronously. A page cannot wait for its worker there, so it returns a proxy
 * at once, and errors reject the proxy's first promise. The rest of the API needs no list: methods return promises, and
 * fields hold the values of the worker's last answer.
 */
import type { Snapshot, Wire } from './wire.ts';

interface Made {
  /** Initial field values, until the worker answers. */
  readonly initial: (owner: Snapshot) => Snapshot;
  /** True for an async iterable. */
  readonly isStream?: boolean;
}

const plain = (value: unknown): Wire => ({ plain: value });
const empty = { tokens: plain([]), cacheBytes: plain(0) };
const context = ({ context }: Snapshot): Snapshot => (context ? { context } : {});

export const synchronous: ReadonlyMap<string, Made> = new Map<string, Made>([
  ['session', { initial: (model) => ({ ...context(model), ...empty }) }],
  ['sequence', { initial: (model) => ({ ...context(model), ...empty }) }],
  ['clone', { initial: (session) => session }],
  ['generate', { initial: () => ({}), isStream: true }],
  ['decoder', { initial: () => ({}) }],
]);

/** Fields that are promises in the API as well. Reading them starts work. */
export const promises: ReadonlySet<string> = new Set(['result']);
