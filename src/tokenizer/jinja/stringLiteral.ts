/** Escape sequences in string literals: those of Python's 'unicode-escape' codec, which Jinja2 uses. */
import { escapedCodePoint } from './repr.ts';

const ESCAPE = /\\(?:([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([xuUN])|(.))/gsu;
const SIMPLE: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** @param body between the quotes @returns undefined if an escape sequence is incomplete or not supported (\N{…}) */
export function unescapeString(body: string): string | undefined {
  if (!body.includes('\\')) return body;
  let valid = true;
  const text = body.replace(
    ESCAPE,
    (whole, octal: string, hex2: string, hex4: string, hex8: string, broken: string, other: string) => {
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
      const isCode = /^\\[xuU]/.test(whole) && broken === undefined;
      if (isCode && (hex2 ?? hex4 ?? hex8) !== undefined) {
        const code = Number.parseInt(hex2 ?? hex4 ?? hex8, 16);
        if (code <= 0x10ffff) return String.fromCodePoint(code);
      }
      if (isCode || broken !== undefined) {
        valid = false;
        return '';
      }
      if (Object.hasOwn(SIMPLE, other)) return SIMPLE[other];
      // Jinja2 escapes other characters before it decodes, so that '\é' becomes '\xe9'
      const code = other.codePointAt(0)!;
      return code > 0x7f ? `\\${escapedCodePoint(code).slice(1)}` : whole;
    },
  );
  return valid ? text : undefined;
}
