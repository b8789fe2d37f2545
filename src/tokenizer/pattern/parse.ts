/**
 * Parses the dialect of regular expressions in pre-tokenizers: the syntax that published tokenizers use
 * (Oniguruma and Rust), without features that cannot be matched in linear time.
 *
 *     a b|c (x) (?:x) (?i:x) (?i)     . [a-z] [^a-z] [\p{L}&&[^a-z]] \p{L} \P{L} \s \S \d \D \w \W
 *     ? * + {n} {n,} {n,m} and lazy forms; possessive ?+ *+ ++ after one character or class
 *     \n \r \t \f \v \xHH \x{H} \uHHHH \u{H}
 *     (?=x) (?!x) where x is one character, class or $; $ is the end of the text
 */
import { UnsupportedError } from '../../core/errors.ts';
import { type CharSet, complement, ignoringCase, intersection, ranges, union } from './charSet.ts';
import { property, shorthand } from './properties.ts';

export type Node =
  | { readonly type: 'set'; readonly set: CharSet }
  /** The next character is in the set, or the text ends and `atEnd` is true. */
  | { readonly type: 'look'; readonly set: CharSet; readonly atEnd: boolean }
  | { readonly type: 'sequence' | 'choice'; readonly nodes: readonly Node[] }
  | {
      readonly type: 'repeat';
      readonly node: Node;
      readonly min: number;
      readonly max: number;
      readonly lazy: boolean;
    };

const nothing = ranges();
const controls: Record<string, number> = { n: 10, r: 13, t: 9, f: 12, v: 11, 0: 0, a: 7, e: 27 };
const MAX_REPEAT = 1000;
const MAX_DEPTH = 100;

/** @throws {UnsupportedError} for syntax outside the dialect */
export function parsePattern(pattern: string): Node {
  const characters = Array.from(pattern);
  let at = 0;
  let depth = 0;

  const fail = (what: string): UnsupportedError =>
    new UnsupportedError('in a pre-tokenizer pattern', `${what} (character ${at} of ${pattern})`, [], { pattern, at });
  const peek = (text: string): boolean => characters.slice(at, at + text.length).join('') === text;
  const take = (text: string): boolean => {
    if (!peek(text)) return false;
    at += text.length;
    return true;
  };
  const expect = (text: string): void => {
    if (!take(text)) throw fail(`${characters[at] ?? 'an end'} where ${text} belongs`);
  };

  const choice = (ignoreCase: boolean): Node => {
    if (++depth > MAX_DEPTH) throw fail('nesting this deep');
    const nodes: Node[] = [];
    do {
      const items: Node[] = [];
      let insensitive = ignoreCase;
      while (at < characters.length && characters[at] !== '|' && characters[at] !== ')') {
        if (take('(?i)')) insensitive = ignoreCase = true;
        else items.push(quantified(insensitive));
      }
      nodes.push(items.length === 1 ? items[0] : { type: 'sequence', nodes: items });
    } while (take('|'));
    depth--;
    return nodes.length === 1 ? nodes[0] : { type: 'choice', nodes };
  };

  const quantified = (ignoreCase: boolean): Node => {
    let node = atom(ignoreCase);
    for (;;) {
      const bounds = quantifier();
      if (bounds === undefined) return node;
      const [min, max, braces] = bounds;
      if (node.type === 'look') throw fail('a repeated lookahead');
      const lazy = take('?');
      const possessive = !lazy && !braces && take('+');
      if (!possessive) node = { type: 'repeat', node, min, max, lazy };
      else if (node.type === 'set') node = takingAll(node.set, node, min, max);
      else throw fail('a possessive quantifier of a group');
    }
  };

  const quantifier = (): [min: number, max: number, braces: boolean] | undefined => {
    if (take('?')) return [0, 1, false];
    if (take('*')) return [0, Number.POSITIVE_INFINITY, false];
    if (take('+')) return [1, Number.POSITIVE_INFINITY, false];
    const braces = /^\{(\d{1,9})(,(\d{0,9}))?\}/.exec(characters.slice(at, at + 24).join(''));
    if (braces === null) return undefined;
    at += braces[0].length;
    const min = Number(braces[1]);
    const max = braces[2] === undefined ? min : braces[3] === '' ? Number.POSITIVE_INFINITY : Number(braces[3]);
    if (min > MAX_REPEAT || (max > MAX_REPEAT && max !== Number.POSITIVE_INFINITY) || max < min)
      throw fail(`a repetition ${braces[0]}`);
    return [min, max, true];
  };

  const atom = (ignoreCase: boolean): Node => {
    const cased = (set: CharSet): Node => ({ type: 'set', set: ignoreCase ? ignoringCase(set) : set });
    if (take('(')) {
      const looking = take('?=') ? 'ahead' : take('?!') ? 'not ahead' : undefined;
      let inside = ignoreCase;
      if (looking === undefined && take('?')) {
        if (take('i')) inside = true;
        expect(':');
      }
      const node = choice(inside);
      expect(')');
      if (looking === undefined) return node;
      const { set, atEnd } = oneCharacter(node);
      return looking === 'ahead' ? { type: 'look', set, atEnd } : { type: 'look', set: complement(set), atEnd: !atEnd };
    }
    if (take('[')) return { type: 'set', set: charClass(ignoreCase) };
    if (take('$')) return { type: 'look', set: nothing, atEnd: true };
    if (take('.')) return { type: 'set', set: complement(ranges([10, 10])) };
    if (take('\\')) {
      const set = escaped();
      return cased(typeof set === 'number' ? ranges([set, set]) : set);
    }
    const character = characters[at];
    if ('^?*+'.includes(character)) throw fail(character);
    at++;
    return cased(ranges([character.codePointAt(0)!, character.codePointAt(0)!]));
  };

  /** Parses the rest of a class after [. */
  const charClass = (ignoreCase: boolean): CharSet => {
    if (++depth > MAX_DEPTH) throw fail('nesting this deep');
    const negated = take('^');
    const sets: CharSet[] = [];
    const pairs: [number, number][] = [];
    let set: CharSet | undefined;
    const collected = (): CharSet => {
      const all = union([...sets.splice(0), ranges(...pairs.splice(0))]);
      return ignoreCase ? ignoringCase(all) : all;
    };
    for (let first = true; first || !peek(']'); first = false) {
      if (at >= characters.length) throw fail('a class without ]');
      if (take('&&')) {
        const left = collected();
        set = set === undefined ? left : intersection(set, left);
      } else if (peek('[:')) throw fail('a POSIX class');
      else if (take('[')) sets.push(charClass(ignoreCase));
      else {
        const low = classItem();
        if (typeof low !== 'number') sets.push(low);
        else if (peek('-') && characters[at + 1] !== ']' && characters[at + 1] !== undefined) {
          at++;
          const high = classItem();
          if (typeof high !== 'number' || high < low) throw fail('a range without an end');
          pairs.push([low, high]);
        } else pairs.push([low, low]);
      }
    }
    at++;
    depth--;
    const right = collected();
    const all = set === undefined ? right : intersection(set, right);
    return negated ? complement(all) : all;
  };

  const classItem = (): CharSet | number => (take('\\') ? escaped() : characters[at++].codePointAt(0)!);

  /** Parses an escape after the backslash: a set, or one code point. */
  const escaped = (): CharSet | number => {
    const letter = characters[at++];
    if (letter === undefined) throw fail('a \\ at the end');
    if (letter === 'p' || letter === 'P') {
      const end = characters.indexOf('}', at);
      const name = characters.slice(at + 1, end).join('');
      const set = characters[at] === '{' && end > 0 ? property(name) : undefined;
      if (set === undefined) throw fail(`the property ${name}`);
      at = end + 1;
      return letter === 'p' ? set : complement(set);
    }
    const named = shorthand(letter.toLowerCase());
    if (named !== undefined) return shorthand(letter) ? named : complement(named);
    if (letter === 'x' || letter === 'u') {
      const rest = characters.slice(at, at + 10).join('');
      const hex = (
        letter === 'x' ? /^(?:([0-9a-f]{2})|\{([0-9a-f]{1,6})\})/i : /^(?:([0-9a-f]{4})|\{([0-9a-f]{1,6})\})/i
      ).exec(rest);
      const codePoint = hex === null ? Number.NaN : Number.parseInt(hex[1] ?? hex[2], 16);
      if (hex === null || !(codePoint <= 0x10ffff)) throw fail(`the escape \\${letter}`);
      at += hex[0].length;
      return codePoint;
    }
    if (letter in controls) return controls[letter];
    if (/[\p{L}\p{N}]/u.test(letter)) throw fail(`the escape \\${letter}`);
    return letter.codePointAt(0)!;
  };

  /** Parses the content of a lookahead. */
  const oneCharacter = (node: Node): { set: CharSet; atEnd: boolean } => {
    if (node.type === 'set') return { set: node.set, atEnd: false };
    if (node.type === 'look') return node;
    if (node.type !== 'choice') throw fail('a lookahead of more than one character');
    const options = node.nodes.map(oneCharacter);
    return { set: union(options.map(({ set }) => set)), atEnd: options.some(({ atEnd }) => atEnd) };
  };

  const node = choice(false);
  if (at < characters.length) throw fail('a ) without (');
  return node;
}

/** A possessive repetition of a set: greedy repetition, then a lookahead that none of the set follows (unless `max` is reached). */
function takingAll(set: CharSet, node: Node, min: number, max: number): Node {
  const noMore: Node = { type: 'look', set: complement(set), atEnd: true };
  if (max === 1) {
    const none: Node = { type: 'sequence', nodes: [noMore] };
    return { type: 'choice', nodes: [node, none] };
  }
  return { type: 'sequence', nodes: [{ type: 'repeat', node, min, max, lazy: false }, noMore] };
}

/** Escapes text to a pattern that matches exactly this text. */
export function literalPattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|&-]/g, '\\$&');
}
