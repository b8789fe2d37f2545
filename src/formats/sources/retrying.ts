/** Retries HTTP requests: decides which failures are temporary and how long to wait. */
import { SourceError } from '../../core/errors.ts';

export interface RetryPolicy {
  /** Maximum attempts without progress. Default 5, or 2 if the server has never responded. */
  readonly tries?: number;
  /** Delay before the second attempt, in milliseconds; doubled before each further one. Default 250. */
  readonly delay?: number;
  /** Maximum accepted Retry-After, in milliseconds. Default 5 minutes. */
  readonly maxWait?: number;
}

export interface RetryOptions extends RetryPolicy {
  readonly signal?: AbortSignal;
  /** Called before waiting for Retry-After. */
  readonly onWait?: (milliseconds: number, reason: SourceError) => void;
}

/** A temporary failure; the next attempt may succeed. */
export class TransientError extends SourceError {
  /** Milliseconds that the server asked to wait. */
  readonly retryAfter?: number;
  constructor(...[source, problem, data, options]: ConstructorParameters<typeof SourceError>) {
    super(source, problem, data, options);
    const seconds = data?.retryAfterSeconds;
    if (typeof seconds === 'number') this.retryAfter = seconds * 1000;
  }
}

/** The server could not be reached at all. */
export class UnreachableError extends TransientError {}

/** Maximum attempts if the server has never responded. */
const UNREACHABLE_TRIES = 2;
const MAX_WAIT = 300_000;

/** @throws {UnreachableError} with the reason from the cause of "fetch failed" */
export function unreachable(file: string, cause: Error): SourceError {
  const reason = reasonOf(cause);
  const problem = isOffline() ? 'cannot be reached: this device is offline' : `cannot be reached: ${reason}`;
  const hint = reason === 'Failed to fetch' ? ' (the server is down, or does not allow this page by CORS)' : '';
  const kind = /bad port|unknown scheme|Invalid URL/i.test(reason) ? SourceError : UnreachableError;
  return new kind(file, problem + hint, { reason: (cause.cause as NodeError)?.code }, { cause });
}

type NodeError = { readonly code?: string } | undefined;

/** Returns the message of the cause of a `fetch` error, or of the error itself. */
export function reasonOf(error: Error): string {
  const cause = error.cause instanceof Error ? error.cause : error;
  // an AggregateError of several addresses has no message of its own
  const [first] = cause instanceof AggregateError ? (cause.errors as Error[]) : [];
  return cause.message || first?.message || error.message;
}

export function isOffline(): boolean {
  // Node 21 and newer have a navigator without onLine
  return typeof navigator !== 'undefined' && (navigator as { onLine?: boolean }).onLine === false;
}

/** Repeats `step` until it succeeds, fails for good, or has failed too often. @throws the step's error; the signal's reason */
export async function retrying<T>(
  step: () => Promise<T>,
  { tries = 5, delay = 250, maxWait = MAX_WAIT, signal, onWait }: RetryOptions,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await step();
    } catch (error) {
      signal?.throwIfAborted();
      const most = error instanceof UnreachableError ? Math.min(tries, UNREACHABLE_TRIES) : tries;
      if (!(error instanceof TransientError) || attempt >= most || isOffline()) throw error;
      const asked = error.retryAfter;
      if (asked !== undefined && asked > maxWait) throw error;
      if (asked) onWait?.(asked, error);
      await wait(asked ?? delay * 2 ** (attempt - 1), signal);
    }
  }
}

/** @throws the signal's reason */
export function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener('abort', abort);
    function done() {
      signal?.removeEventListener('abort', abort);
      resolve();
    }
    function abort() {
      clearTimeout(timer);
      reject(signal!.reason);
    }
  });
}
