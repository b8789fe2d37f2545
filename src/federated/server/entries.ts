/** Entries of a federation's journal, as bytes: kind, time (float64), length of the counters (uint32), counters (JSON), content. */
import { FederatedError } from '../federatedError.ts';

/** What a round has cost so far. */
export interface Counters {
  /** Bytes of clients' messages, refused ones too. */
  bytesReceived: number;
  /** Bytes of the server's answers: weights, models, states, receipts. */
  bytesSent: number;
  /** Messages that were refused, by code. */
  refused: Record<string, number>;
  /** Milliseconds in which the server computed. */
  serverMilliseconds: number;
}

export interface Entry {
  /** A round begins, a message was accepted, time has passed. */
  readonly kind: 'round' | 'message' | 'time';
  /** Server's time in milliseconds. */
  readonly at: number;
  readonly counters: Counters;
  /** Number of the round, or the message. */
  readonly content: Uint8Array;
}

const kinds = ['round', 'message', 'time'] as const;
const HEAD = 13;

export function newCounters(): Counters {
  return { bytesReceived: 0, bytesSent: 0, refused: {}, serverMilliseconds: 0 };
}

/**
 * @param body the end of `content`, which is not copied
 * @returns an entry without `body`
 */
export function encodeEntry({ kind, at, counters, content }: Entry, body?: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(counters));
  const copied = content.subarray(0, content.length - (body?.length ?? 0));
  const entry = new Uint8Array(HEAD + text.length + copied.length);
  const view = new DataView(entry.buffer);
  entry[0] = kinds.indexOf(kind);
  view.setFloat64(1, at, true);
  view.setUint32(9, text.length, true);
  entry.set(text, HEAD);
  entry.set(copied, HEAD + text.length);
  return entry;
}

/** @throws {FederatedError} BAD_JOURNAL */
export function decodeEntry(entry: Uint8Array): Entry {
  try {
    const view = new DataView(entry.buffer, entry.byteOffset, entry.byteLength);
    const start = HEAD + view.getUint32(9, true);
    const counters = JSON.parse(new TextDecoder().decode(entry.subarray(HEAD, start))) as Counters;
    return { kind: kinds[entry[0]], at: view.getFloat64(1, true), counters, content: entry.subarray(start) };
  } catch (cause) {
    throw new FederatedError('BAD_JOURNAL', 'an entry of the journal is damaged', {}, { cause });
  }
}
