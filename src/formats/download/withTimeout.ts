/** Runs work with a time limit. */
import { TransientError } from '../sources/retrying.ts';

/** @throws {TransientError} after `milliseconds`; the signal's reason */
export async function withTimeout<T>(
  milliseconds: number,
  name: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(signal!.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort);
  const late = new TransientError(name, `did not answer within ${milliseconds / 1000} s`, { milliseconds });
  const timer = setTimeout(() => controller.abort(late), milliseconds);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}
