/** Waits for work that does not know a signal itself. */

/** @throws the signal's reason as soon as it is aborted; the work goes on, and its result is ignored */
export function abortable<T>(work: T | PromiseLike<T>, signal?: AbortSignal): Promise<T> {
  const working = Promise.resolve(work);
  if (!signal) return working;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    working.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
