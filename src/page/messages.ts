/** The messages between a page and its worker. Answers and pieces carry the number of the call that they belong to. */
import type { Snapshot, Wire } from './wire.ts';

/** Target number of exported functions, which belong to no object. */
export const FUNCTIONS = 0;

export type ToWorker =
  /** First message: the base of relative URLs, and the URL of the worker script. */
  | { readonly type: 'start'; readonly base: string; readonly file: string }
  /** Calls a method or function. `result`: number of the object that it returns synchronously. */
  | {
      readonly type: 'call';
      readonly id: number;
      readonly target: number;
      readonly member: string;
      readonly args: readonly Wire[];
      readonly result?: number;
    }
  /** Reads a field, e.g. a promise. */
  | { readonly type: 'get'; readonly id: number; readonly target: number; readonly member: string }
  /** Iterates an object. The worker may be at most `credit` pieces ahead. */
  | { readonly type: 'iterate'; readonly id: number; readonly target: number; readonly credit: number }
  | { readonly type: 'credit'; readonly id: number; readonly credit: number }
  /** Answers a callback. */
  | { readonly type: 'returned'; readonly id: number; readonly value: Wire }
  | { readonly type: 'thrown'; readonly id: number; readonly error: Wire }
  | { readonly type: 'abort'; readonly signal: number; readonly reason: Wire }
  /** Disposes of everything. The worker then answers 'ended'. */
  | { readonly type: 'end' }
  /** Releases signals that no call uses, and objects that the page no longer references. */
  | { readonly type: 'forget'; readonly signals: readonly number[]; readonly objects: readonly number[] };

export type ToPage =
  | { readonly type: 'ready' }
  | { readonly type: 'ended' }
  | { readonly type: 'result'; readonly id: number; readonly value: Wire; readonly snapshots: Snapshots }
  | { readonly type: 'error'; readonly id: number; readonly error: Wire; readonly snapshots: Snapshots }
  | { readonly type: 'piece'; readonly id: number; readonly value: Wire }
  /** Calls a callback of the page. `id`: number of this call in the answer. */
  | { readonly type: 'callback'; readonly id: number; readonly callback: number; readonly args: readonly Wire[] };

/** Changed fields, by object number. */
export type Snapshots = readonly (readonly [number, Snapshot])[];
