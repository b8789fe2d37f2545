/** The sets that a pattern names: \\p{L}, \\p{Han}, \\s, \\d, \\w. */
import { scripts16 } from '../unicode/tables.ts';
import { category, joiners, script, whiteSpace, wordCharacters } from '../unicode/unicode.ts';
import { type CharSet, ranges, union } from './charSet.ts';

const properties = new Map<string, CharSet>();

/**
 * A general category, binary property or script by its Unicode name; undefined if it is unknown. Categories and the
 * scripts of the table are Unicode 16's; what is rarer comes from the engine. `Word` is what Rust's \\w matches.
 */
export function property(name: string): CharSet | undefined {
  let set = properties.get(name);
  if (set === undefined) {
    const packed = scripts16[name.replace(/^(?:Script|sc)=/, '')];
    set = name === 'Word' ? union([wordCharacters(), joiners]) : category(name);
    set ??= packed === undefined ? engineProperty(name) : script(packed);
    if (set !== undefined) properties.set(name, set);
  }
  return set;
}

function engineProperty(name: string): CharSet | undefined {
  if (!/^\w{1,40}$/.test(name)) return undefined;
  for (const expressionText of [`\\p{${name}}`, `\\p{Script=${name}}`]) {
    try {
      const expression = new RegExp(`^${expressionText}$`, 'u');
      return { has: (codePoint: number) => expression.test(String.fromCodePoint(codePoint)) };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return undefined;
}

/** The classes of \\s, \\d, \\w and \\h. */
export function shorthand(letter: string): CharSet | undefined {
  switch (letter) {
    case 's':
      return whiteSpace;
    case 'd':
      return property('Nd');
    case 'w':
      // Oniguruma also takes the superscripts and fractions of Latin-1
      return union([wordCharacters(), ranges([0xb2, 0xb3], [0xb9, 0xb9], [0xbc, 0xbe])]);
    default:
      return undefined;
  }
}
