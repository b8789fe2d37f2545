/** Packages are published from Node. */
import { UnsupportedError } from '../../core/errors.ts';
import type { Publication } from './publish.ts';

/** @throws {UnsupportedError} always: a page has no access to folders */
export async function folderPublication(folder: string): Promise<Publication> {
  throw new UnsupportedError('publishing to the folder', folder, ['a Publication of your own']);
}
