/**
 * Limits of a rendering. Templates come from untrusted files, so the number of steps, the size of values and the nesting
 * are limited. Rendering is synchronous, so one budget at a time is enough.
 */
import { JinjaError } from './errors.ts';

/** Maximum characters of a string and elements of a list. */
const MAX_LENGTH = 1 << 26;
/** Maximum nested calls of macros, blocks and recursive loops. Python's recursion limit is reached at about the same depth. */
const MAX_DEPTH = 180;
/** An operation on a whole string costs one step per this many characters. */
const CHARACTERS_OF_STEP = 32;

let stepsLeft = Number.POSITIVE_INFINITY;
let depth = 0;
let line: number | undefined;

/** Runs `work` with its own budget. Adds the template's line to errors. */
export function withBudget<T>(steps: number, work: () => T): T {
  const before = { stepsLeft, depth, line };
  stepsLeft = steps;
  depth = 0;
  line = undefined;
  try {
    return work();
  } catch (error) {
    if (error instanceof JinjaError) error.line ??= line;
    throw error;
  } finally {
    ({ stepsLeft, depth, line } = before);
  }
}

/** Sets the current line of the template, for errors. */
export function atLine(current: number): void {
  line = current;
}

export function spend(steps: number): void {
  stepsLeft -= steps;
  if (stepsLeft < 0) throw new JinjaError('LimitError', 'it takes more steps than any conversation needs');
}

/** Spends the steps of an operation on `characters` characters. */
export function spendText(characters: number): void {
  if (characters > CHARACTERS_OF_STEP) spend(Math.ceil(characters / CHARACTERS_OF_STEP));
}

/** Call it before making a string or a list of this length. @throws {JinjaError} if it is too long */
export function checkLength(length: number): void {
  if (length > MAX_LENGTH)
    throw new JinjaError(
      'LimitError',
      `it makes a value of ${length} characters or elements, the maximum is ${MAX_LENGTH}`,
    );
}

/** Runs the body of a macro, block or recursive loop one level deeper. */
export function nested<T>(work: () => T): T {
  if (depth >= MAX_DEPTH) throw new JinjaError('RecursionError', 'maximum recursion depth exceeded');
  depth++;
  try {
    return work();
  } finally {
    depth--;
  }
}
