/** A page has no files to lock. deviceFiles.browser.ts uses the browser's own locks. */
import { UnsupportedError } from '../../core/errors.ts';

function refuse(): never {
  throw new UnsupportedError('a lock', 'in a file', ['navigator.locks']);
}

export {
  refuse as atIntervals,
  refuse as ifMissing,
  refuse as isGone,
  refuse as processMark,
  refuse as takeLock,
  refuse as touch,
  refuse as tryLock,
};
