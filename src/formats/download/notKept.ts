/** Reasons why a file cannot be stored. The file is still used, so users see them as notices. */
import { type ErrorData, EspalierError, grouped } from '../../core/errors.ts';

/** `code` 'CACHE_FULL' with `data.needed` and `data.available` in bytes, or 'NOT_KEPT'. */
export class NotKeptError extends EspalierError {
  declare readonly code: 'CACHE_FULL' | 'NOT_KEPT';
  override readonly name = 'NotKeptError';

  constructor(code: 'CACHE_FULL' | 'NOT_KEPT', message: string, data?: ErrorData, options?: ErrorOptions) {
    super(code, message, data, options);
  }
}

export function cacheFull(file: string, needed: number, available: number, cause?: unknown): NotKeptError {
  const problem = `needs ${grouped(needed)} bytes in the cache, but ${grouped(available)} are available`;
  return new NotKeptError('CACHE_FULL', `${file}: ${problem}`, { file, needed, available }, { cause });
}

/** An error of Node or a DOMException. */
interface Failure {
  readonly name?: string;
  readonly code?: string | number;
  readonly message?: string;
}

/** @param cause error of the failed write @param needed size of the file @param stored bytes written before it failed */
export async function notKept(
  file: string,
  cause: unknown,
  needed = 0,
  available?: () => Promise<number | undefined>,
  stored = 0,
): Promise<NotKeptError> {
  if (cause instanceof NotKeptError) return cause;
  const { name = '', code, message = String(cause) } = (cause ?? {}) as Failure;
  if (name === 'QuotaExceededError' || code === 'ENOSPC' || code === 'EDQUOT')
    return cacheFull(file, needed, await roomFor(stored, available), cause);
  // the code of a DOMException is a number
  const reason = typeof code === 'string' ? code : name;
  return new NotKeptError('NOT_KEPT', `${file}: it cannot be kept here: ${message}`, { file, reason }, { cause });
}

/** Bytes available: the system's figure, or the bytes written before the failure if that is less. */
async function roomFor(stored: number, available?: () => Promise<number | undefined>): Promise<number> {
  const reported = await available?.().catch(() => undefined);
  return Math.min(stored, reported ?? stored);
}
