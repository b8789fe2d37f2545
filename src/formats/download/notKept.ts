/** Why a file is not kept. It is used all the same, so this reaches people as a notice. */
import { EspalierError, grouped } from '../../core/errors.ts';

/** `code` 'CACHE_FULL' with `data.needed` and `data.available` in bytes, or 'NOT_KEPT'. */
export class NotKeptError extends EspalierError {
  override readonly name = 'NotKeptError';
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

/** @param cause of a failed write @param needed size of the file @param stored bytes of it that could be written */
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
  // a DOMException has a code that is a number
  const reason = typeof code === 'string' ? code : name;
  return new NotKeptError('NOT_KEPT', `${file}: it cannot be kept here: ${message}`, { file, reason }, { cause });
}

/** What the system tells may be more than it gives. */
async function roomFor(stored: number, available?: () => Promise<number | undefined>): Promise<number> {
  const told = await available?.().catch(() => undefined);
  return Math.min(stored, told ?? stored);
}
