/**
 * Compiles a pattern to a program of five instructions (Thompson construction). Bounded repetitions are expanded.
 *
 *     set s       the next character is in sets[s]; continue at pc + 1, one character later
 *     split x y   try x first, then y
 *     jump x
 *     look l      the text ahead satisfies looks[l]; continue at pc + 1
 *     match
 */
import { UnsupportedError } from '../../core/errors.ts';
import type { CharSet } from './charSet.ts';
import type { Node } from './parse.ts';

export const Op = { set: 0, split: 1, jump: 2, look: 3, match: 4 } as const;

export interface Program {
  readonly op: readonly number[];
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly sets: readonly CharSet[];
  /** Indices into `sets`, with the result at the end of the text. */
  readonly looks: readonly { readonly set: number; readonly atEnd: boolean }[];
}

const MAX_LENGTH = 4000;

/** @throws {UnsupportedError} if the program is too long, or repeats something that can be empty */
export function compile(node: Node, pattern: string): Program {
  const op: number[] = [];
  const x: number[] = [];
  const y: number[] = [];
  const sets: CharSet[] = [];
  const looks: { set: number; atEnd: boolean }[] = [];

  const emit = (code: number, first = 0, second = 0): number => {
    if (op.length >= MAX_LENGTH)
      throw new UnsupportedError('a pre-tokenizer pattern of', `over ${MAX_LENGTH} steps`, [], { pattern });
    op.push(code);
    x.push(first);
    y.push(second);
    return op.length - 1;
  };
  const setIndex = (set: CharSet): number => {
    const known = sets.indexOf(set);
    return known >= 0 ? known : sets.push(set) - 1;
  };
  /** A split whose preferred branch starts right after it. `elsewhere` fills in the other branch. */
  const fork = (lazy: boolean): ((target: number) => void) => {
    const at = emit(Op.split);
    (lazy ? y : x)[at] = at + 1;
    return (target) => {
      (lazy ? x : y)[at] = target;
    };
  };

  const write = (part: Node): void => {
    switch (part.type) {
      case 'set':
        emit(Op.set, setIndex(part.set));
        return;
      case 'look':
        looks.push({ set: setIndex(part.set), atEnd: part.atEnd });
        emit(Op.look, looks.length - 1);
        return;
      case 'sequence':
        part.nodes.forEach(write);
        return;
      case 'choice': {
        const jumps = part.nodes.map((option, index) => {
          if (index === part.nodes.length - 1) return write(option);
          const elsewhere = fork(false);
          write(option);
          const jump = emit(Op.jump);
          elsewhere(op.length);
          return jump;
        });
        for (const jump of jumps) if (jump !== undefined) x[jump] = op.length;
        return;
      }
      case 'repeat': {
        const { node: body, min, max, lazy } = part;
        for (let count = 0; count < min; count++) write(body);
        if (max === Number.POSITIVE_INFINITY) {
          // each iteration must consume a character, or the walk would never end
          if (canBeEmpty(body))
            throw new UnsupportedError('in a pre-tokenizer pattern', 'repeating what can be empty', [], { pattern });
          const start = op.length;
          const leave = fork(lazy);
          write(body);
          emit(Op.jump, start);
          leave(op.length);
          return;
        }
        const leaves = Array.from({ length: max - min }, () => {
          const leave = fork(lazy);
          write(body);
          return leave;
        });
        for (const leave of leaves) leave(op.length);
      }
    }
  };
  write(node);
  emit(Op.match);
  return { op, x, y, sets, looks };
}

function canBeEmpty(node: Node): boolean {
  switch (node.type) {
    case 'set':
      return false;
    case 'look':
      return true;
    case 'sequence':
      return node.nodes.every(canBeEmpty);
    case 'choice':
      return node.nodes.some(canBeEmpty);
    case 'repeat':
      return node.min === 0 || canBeEmpty(node.node);
  }
}
