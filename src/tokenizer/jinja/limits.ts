/**
 * What one rendering may spend. Templates come from files that nobody has checked, so their work, the text they hold
 * and their nesting are bounded. Rendering is synchronous: there is one budget at a time.
 */
import { JinjaError } from './errors.ts';

/** Characters of one string, elements of one list. */
const MAX_LENGTH = 1 << 26;
/** Nested calls of macros, blocks and recursive loops. Python stops at about as many. */
const MAX_DEPTH = 180;
/** Characters that an operation on a whole string handles in the time of one step. */
const CHARACTERS_OF_STEP = 32;

let stepsLeft = Number.POSITIVE_INFINITY;
let depth = 0;
let line: number | undefined;

/** Runs `work` with a budget of its own. Errors that leave it carry the template's line. */
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

/** Marks the template's line for errors. */
export function atLine(current: number): void {
  line = current;
}

export function spend(steps: number): void {
  stepsLeft -= steps;
  if (stepsLeft < 0) throw new JinjaError('LimitError', 'it takes more steps than any conversation needs');
}

/** Spends the steps of an operation that reads or writes `characters`. */
export function spendText(characters: number): void {
  if (characters > CHARACTERS_OF_STEP) spend(Math.ceil(characters / CHARACTERS_OF_STEP));
}

/** @throws {JinjaError} for a string or a list of this length, before it is made */
export function checkLength(length: number): void {
  if (length > MAX_LENGTH)
    throw new JinjaError(
      'LimitError',
      `it makes a value of ${length} characters or elements, the maximum is ${MAX_LENGTH}`,
    );
}

/** Runs the body of a macro, block or recursive loop. */
export function nested<T>(work: () => T): T {
  if (depth >= MAX_DEPTH) throw new JinjaError('RecursionError', 'maximum recursion depth exceeded');
  depth++;
  try {
    return work();
  } finally {
    depth--;
  }
}
