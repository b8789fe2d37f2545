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

/** @param cause of a failed write @param needed bytes that were still to be written */
export async function notKept(
  file: string,
  cause: unknown,
  needed = 0,
  available?: () => Promise<number | undefined>,
): Promise<NotKeptError> {
  if (cause instanceof NotKeptError) return cause;
  const {
    name = '',
    code = '',
    message = String(cause),
  } = (cause ?? {}) as { name?: string; code?: string; message?: string };
  if (name === 'QuotaExceededError' || code === 'ENOSPC' || code === 'EDQUOT')
    return cacheFull(file, needed, (await available?.().catch(() => undefined)) ?? 0, cause);
  const reason = code || name;
  return new NotKeptError('NOT_KEPT', `${file}: it cannot be kept here: ${message}`, { file, reason }, { cause });
}
