/**
 * Regular expressions that match in linear time for every pattern and text. With JavaScript's own engine, a pattern in
 * a file, or a long run of one letter, could take hours.
 *
 * A match is what a backtracking engine finds: leftmost, the first alternative that works. It takes two passes:
 * 1. Right to left, note at every position the set of program steps from which the rest of the text leads to a match
 *    (a deterministic automaton that is built lazily: its states are such sets).
 * 2. Left to right from each start, walk the program; at a split the preferred way is taken if it is in the noted set,
 *    so it never backtracks.
 */
import { UnsupportedError } from '../../core/errors.ts';
import { compile, Op, type Program } from './compile.ts';
import { parsePattern } from './parse.ts';

export interface Pattern {
  /** Calls `onMatch` with each match that is not empty, from left to right. UTF-16 offsets. */
  forEachMatch(text: string, onMatch: (start: number, end: number) => void): void;
}

/** Maximum automaton states. Real patterns need tens. */
const MAX_STATES = 20_000;
const MAX_CLASSES = 0xfffe;
const END_OF_TEXT = -1;

/** @throws {UnsupportedError} for syntax outside the dialect of `parse.ts` */
export function compilePattern(source: string): Pattern {
  const program = compile(parsePattern(source), source);
  const { op, x, y } = program;
  const classes = characterClasses(program);

  // state 0: no step leads to a match, the state after the end of the text
  const states: Uint32Array[] = [new Uint32Array((op.length + 31) >>> 5)];
  const stateIds = new Map([[states[0].join(), 0]]);
  /** transitions[state][class]: the state one character to the left. */
  const transitions: (number | undefined)[][] = [[]];
  const has = (state: number, pc: number): boolean => ((states[state][pc >>> 5] >>> (pc & 31)) & 1) === 1;

  const leftOf = (right: number, characterClass: number): number => {
    const bits = new Uint32Array(states[0].length);
    const member = characterClass === END_OF_TEXT ? undefined : classes.members(characterClass);
    const known = new Map<number, boolean>();
    const leads = (pc: number): boolean => {
      const answer = known.get(pc);
      if (answer !== undefined) return answer;
      const result = leadsAnew(pc);
      known.set(pc, result);
      if (result) bits[pc >>> 5] |= 1 << (pc & 31);
      return result;
    };
    const leadsAnew = (pc: number): boolean => {
      switch (op[pc]) {
        case Op.set:
          return member?.[x[pc]] === true && has(right, pc + 1);
        case Op.split: {
          const first = leads(x[pc]);
          return leads(y[pc]) || first;
        }
        case Op.jump:
          return leads(x[pc]);
        case Op.look: {
          const look = program.looks[x[pc]];
          return (member === undefined ? look.atEnd : member[look.set]) && leads(pc + 1);
        }
        default:
          return true;
      }
    };
    for (let pc = op.length - 1; pc >= 0; pc--) leads(pc);
    const key = bits.join();
    let id = stateIds.get(key);
    if (id === undefined) {
      id = states.length;
      if (id >= MAX_STATES)
        throw new UnsupportedError('a pre-tokenizer pattern of', `over ${MAX_STATES} states`, [], { source });
      states.push(bits);
      transitions.push([]);
      stateIds.set(key, id);
    }
    return id;
  };
  const atEnd = leftOf(0, END_OF_TEXT);

  let scratch = new Uint16Array(1024);
  return {
    forEachMatch(text, onMatch) {
      const length = text.length;
      if (scratch.length <= length) scratch = new Uint16Array(Math.max(length + 1, 2 * scratch.length));
      const stateAt = scratch;
      stateAt[length] = atEnd;
      for (let at = length, state = atEnd; at > 0; ) {
        at -= startsPair(text, at - 2) ? 2 : 1;
        const characterClass = classes.of(text, at);
        state = transitions[state][characterClass] ??= leftOf(state, characterClass);
        stateAt[at] = state;
      }
      for (let start = 0; start < length; ) {
        let end = start;
        if (has(stateAt[start], 0)) {
          for (let pc = 0; op[pc] !== Op.match; ) {
            if (op[pc] === Op.set) end += startsPair(text, end) ? 2 : 1;
            pc = op[pc] === Op.jump ? x[pc] : op[pc] !== Op.split ? pc + 1 : has(stateAt[end], x[pc]) ? x[pc] : y[pc];
          }
        }
        if (end > start) onMatch(start, end);
        else end += startsPair(text, end) ? 2 : 1;
        start = end;
      }
      if (scratch.length > 1 << 20) scratch = new Uint16Array(1024);
    },
  };
}

function startsPair(text: string, at: number): boolean {
  if (at < 0) return false;
  const high = text.charCodeAt(at);
  if (high < 0xd800 || high > 0xdbff) return false;
  const low = text.charCodeAt(at + 1);
  return low >= 0xdc00 && low <= 0xdfff;
}

/** Character classes: characters that no set of the program distinguishes. Found lazily. */
function characterClasses({ sets }: Program) {
  const members: boolean[][] = [];
  const ids = new Map<string, number>();
  /** Class + 1 of each code point, in lazily created pages of 256; 0 if not known yet. */
  const pages: Uint16Array[] = [];
  const find = (codePoint: number): number => {
    const member = sets.map((set) => set.has(codePoint));
    const key = member.map(Number).join('');
    const known = ids.get(key);
    if (known !== undefined) return known;
    if (members.length >= MAX_CLASSES)
      throw new UnsupportedError('a pre-tokenizer pattern of', `over ${MAX_CLASSES} classes of characters`);
    ids.set(key, members.length);
    return members.push(member) - 1;
  };
  return {
    members: (id: number): boolean[] => members[id],
    of(text: string, at: number): number {
      const codePoint = text.codePointAt(at)!;
      const page = (pages[codePoint >>> 8] ??= new Uint16Array(256));
      const known = page[codePoint & 255];
      if (known > 0) return known - 1;
      const id = find(codePoint);
      page[codePoint & 255] = id + 1;
      return id;
    },
  };
}
