/** Which failures of HTTP may pass, and waiting until they do. */
import { grouped, SourceError } from '../../core/errors.ts';

/** How often and how patiently. */
export interface RetryPolicy {
  /** Tries without any progress before giving up. */
  readonly tries?: number;
  /** ms before the second try; doubled before each further one. */
  readonly delay?: number;
}

/** A failure that the next try may not meet. */
export class TransientError extends SourceError {}

const TRANSIENT_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

const explanations = new Map<number, (from: number) => string>([
  [401, () => 'access needs a token'],
  [403, () => 'access is refused; a token may be missing'],
  [404, () => 'there is no such file'],
  [416, (from) => `there are no bytes from ${grouped(from)} on`],
]);

/** The error for a status that brings no file. @param from the first byte that was asked for */
export function refusal(file: string, status: number, from: number): SourceError {
  const kind = TRANSIENT_STATUS.has(status) ? TransientError : SourceError;
  const explanation = explanations.get(status);
  const text = explanation ? `: ${explanation(from)}` : '';
  return new kind(file, `the server answered ${status}${text}`, { status, offset: from });
}

/** What went wrong, which fetch hides in the cause of "fetch failed". */
export function reasonOf(error: Error): string {
  const cause = error.cause instanceof Error ? error.cause : error;
  return cause.message || error.message;
}

/** Runs a step until it does not end in a TransientError, or too often did. */
export async function retrying<T>(
  step: () => Promise<T>,
  { tries = 5, delay = 250, signal }: RetryPolicy & { signal?: AbortSignal },
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await step();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TransientError) || attempt >= tries) throw error;
      await wait(delay * 2 ** (attempt - 1), signal);
    }
  }
}

function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
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
