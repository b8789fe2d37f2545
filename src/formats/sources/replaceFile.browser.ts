/** A page cannot write to paths. Files of the private file system are written by download/opfs.ts. */
import { UnsupportedError } from '../../core/errors.ts';

export async function replaceFile(path: string): Promise<void> {
  throw new UnsupportedError('writing to the path', path, ['the private file system']);
}
