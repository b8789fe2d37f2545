/** The messages between a page and its worker. Answers and pieces carry the number of the call that they belong to. */
import type { Snapshot, Wire } from './wire.ts';

/** Target of a call that is no object: the functions of the package's entries. */
export const FUNCTIONS = 0;

export type ToWorker =
  /** The first message: what relative URLs are relative to, and the URL of the worker's file. */
  | { readonly type: 'start'; readonly base: string; readonly file: string }
  /** Calls a method or a function; `result` numbers the object that it returns at once. */
  | {
      readonly type: 'call';
      readonly id: number;
      readonly target: number;
      readonly member: string;
      readonly args: readonly Wire[];
      readonly result?: number;
    }
  /** Asks for a field, such as a promise. */
  | { readonly type: 'get'; readonly id: number; readonly target: number; readonly member: string }
  /** Iterates an object; the worker is `credit` pieces ahead at most. */
  | { readonly type: 'iterate'; readonly id: number; readonly target: number; readonly credit: number }
  | { readonly type: 'credit'; readonly id: number; readonly credit: number }
  /** Answers a callback. */
  | { readonly type: 'returned'; readonly id: number; readonly value: Wire }
  | { readonly type: 'thrown'; readonly id: number; readonly error: Wire }
  | { readonly type: 'abort'; readonly signal: number; readonly reason: Wire }
  /** Disposes of everything; the worker then answers 'ended'. */
  | { readonly type: 'end' }
  /** Signals that no call uses any more, and objects that the page has lost. */
  | { readonly type: 'forget'; readonly signals: readonly number[]; readonly objects: readonly number[] };

export type ToPage =
  | { readonly type: 'ready' }
  | { readonly type: 'ended' }
  | { readonly type: 'result'; readonly id: number; readonly value: Wire; readonly snapshots: Snapshots }
  | { readonly type: 'error'; readonly id: number; readonly error: Wire; readonly snapshots: Snapshots }
  | { readonly type: 'piece'; readonly id: number; readonly value: Wire }
  /** `id` is of the callback's call, to be answered. */
  | { readonly type: 'callback'; readonly id: number; readonly callback: number; readonly args: readonly Wire[] };

/** What has changed of objects, by number. */
export type Snapshots = readonly (readonly [number, Snapshot])[];
