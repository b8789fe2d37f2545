import { UnsupportedError } from '../../core/errors.ts';
import type { Journal } from './journal.ts';

/** A page is a client of a federation; servers run in Node. */
export async function fileJournal(folder: string): Promise<Journal> {
  throw new UnsupportedError('journal', `in the folder ${folder}`, ['memoryJournal()']);
}
