/** Locks between the tabs and workers of an origin, by the Web Locks API. There are no files to lock and no processes to look at. */
import { UnsupportedError } from '../../core/errors.ts';

/** Milliseconds. The worker of a page that was reloaded or closed ends a little after the page. */
const PATIENCE = 5000;

function refuse(): never {
  throw new UnsupportedError('a lock', 'in a file', ['navigator.locks']);
}

/**
 * Takes a lock if nobody holds it, or if its holder ends within 5 seconds.
 * @returns releases it; undefined if another tab or worker holds it
 */
export async function tryLock(name: string): Promise<(() => Promise<void>) | undefined> {
  if (!navigator.locks) throw new UnsupportedError('a lock', 'in this page', ['pages of https: and localhost']);
  return new Promise((resolve, reject) => {
    const held = () =>
      new Promise<void>((end) => {
        resolve(async () => end());
      });
    navigator.locks.request(`espalier ${name}`, { signal: AbortSignal.timeout(PATIENCE) }, held).catch((error) => {
      if (error.name === 'TimeoutError') resolve(undefined);
      else reject(error);
    });
  });
}

export {
  refuse as atIntervals,
  refuse as ifMissing,
  refuse as isGone,
  refuse as processMark,
  refuse as takeLock,
  refuse as touch,
};
