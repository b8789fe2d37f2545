/** Python's textwrap.wrap() for one line. */
import { valueError } from '../errors.ts';
import { spend } from '../limits.ts';
import { lengthOf, substring } from '../text.ts';

export interface WrapOptions {
  readonly width: number;
  readonly breakWords: boolean;
  readonly breakOnHyphens: boolean;
}

const BLANK = '[\\t\\n\\v\\f\\r ]';
const WORD = '[\\w!"\'&.,?]';
const LETTER = '[^\\d\\W]';
/** White space, dashes, and words, which end behind a hyphen between letters. */
const CHUNKS = new RegExp(
  `(${BLANK}+|(?<=${WORD})-{2,}(?=\\w)|[^\\t\\n\\v\\f\\r ]+?(?:-(?:(?<=${LETTER}{2}-)|(?<=${LETTER}-${LETTER}-))(?=${LETTER}-?${LETTER})|(?=${BLANK}|$)|(?<=${WORD})(?=-{2,}\\w)))`,
  'u',
);
const WORDS = new RegExp(`(${BLANK}+)`);

export function wrapLine(line: string, { width, breakWords, breakOnHyphens }: WrapOptions): string[] {
  if (width <= 0) throw valueError(`invalid width ${width} (must be > 0)`);
  spend(line.length);
  const chunks = line.split(breakOnHyphens ? CHUNKS : WORDS).filter((chunk) => chunk !== '');
  chunks.reverse();
  const lines: string[] = [];
  while (chunks.length > 0) {
    if (lines.length > 0 && isBlank(chunks[chunks.length - 1])) chunks.pop();
    const current: string[] = [];
    let length = 0;
    while (chunks.length > 0 && length + lengthOf(chunks[chunks.length - 1]) <= width) {
      const chunk = chunks.pop()!;
      current.push(chunk);
      length += lengthOf(chunk);
    }
    const next = chunks[chunks.length - 1];
    if (next !== undefined && lengthOf(next) > width) {
      if (breakWords) {
        const room = width - length;
        const end = hyphenEnd(next, room, breakOnHyphens);
        current.push(substring(next, 0, end));
        chunks[chunks.length - 1] = substring(next, end);
      } else if (current.length === 0) current.push(chunks.pop()!);
    }
    if (current.length > 0 && isBlank(current[current.length - 1])) current.pop();
    if (current.length > 0) lines.push(current.join(''));
  }
  return lines;
}

/** Breaks a word that is longer than a line behind the last hyphen that fits. */
function hyphenEnd(word: string, room: number, breakOnHyphens: boolean): number {
  if (!breakOnHyphens || lengthOf(word) <= room) return room;
  const hyphen = substring(word, 0, room).lastIndexOf('-');
  return hyphen > 0 && /[^-]/.test(word.slice(0, hyphen)) ? hyphen + 1 : room;
}

function isBlank(chunk: string): boolean {
  return chunk.trim() === '';
}
