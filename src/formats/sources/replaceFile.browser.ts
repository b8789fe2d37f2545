/** A page cannot write to paths. Files of the private file system are written by download/opfs.ts. */
import { UnsupportedError } from '../../core/errors.ts';

async function refuse(path: string): Promise<never> {
  throw new UnsupportedError('writing to the path', path, ['the private file system']);
}

export { refuse as replaceFile, refuse as syncFolder };
