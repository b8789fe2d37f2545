/**
 * Methods of the API that return an object at once. A page cannot wait for its worker there, so it makes the object and
 * lets the worker follow; what goes wrong is told by the object's first promise. Everything else of the API needs no
 * list: a page's methods return promises, and its fields are what they were when the worker last answered.
 */
import type { Snapshot, Wire } from './wire.ts';

interface Made {
  /** Values that the new object shows before the worker has answered. */
  readonly initial: (owner: Snapshot) => Snapshot;
  /** True for an object that is iterated. */
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

/** Fields that are promises in the API too, and start work when they are asked for. */
export const promises: ReadonlySet<string> = new Set(['result']);
