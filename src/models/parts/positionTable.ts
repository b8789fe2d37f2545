/** Learned positions: a table that must have a row for each position of the model and of a session. */
import { OptionError } from '../../core/errors.ts';
import type { ModelBuilder } from '../modelBuilder.ts';

/** Trained context of a file that does not state it. */
export const USUAL_CONTEXT = 2048;

/**
 * Checks that positions do not leave a table, as kernels read its rows unchecked.
 * @param rows rows of the table @param shift number of unused rows at its start
 * @throws {FormatError} if the file's context length has more positions; {OptionError} if the option `context` has
 */
export function checkPositions({ metadata, context }: ModelBuilder, rows: number, shift = 0): void {
  const most = rows - shift;
  const expected = `at most ${most}, the number of positions that the model has learned`;
  if (metadata.count('context_length', USUAL_CONTEXT) > most)
    throw metadata.wrong('context_length', expected, metadata.value('context_length'));
  if (context > most) throw new OptionError('context', context, expected);
}
