/**
 * Splits the source into tokens, and removes white space around tags: `trim_blocks` and `lstrip_blocks` are on, as in
 * transformers, and tags may have `-` and `+`.
 */
import { JinjaError } from './errors.ts';
import { int } from './numbers.ts';
import { unescapeString } from './stringLiteral.ts';
import { Float, type Int } from './values.ts';
import { SPACE } from './whitespace.ts';

export type Token =
  | { readonly type: 'data' | 'name' | 'string' | 'operator'; readonly value: string; readonly line: number }
  | { readonly type: 'integer'; readonly value: Int; readonly line: number }
  | { readonly type: 'float'; readonly value: Float; readonly line: number }
  | {
      readonly type: 'variable_begin' | 'variable_end' | 'block_begin' | 'block_end' | 'eof';
      readonly value: string;
      readonly line: number;
    };

const LINE_END = /\r\n|\r/g;
const TAG = /\{[{%#]/g;
const RAW = new RegExp(`\\{%([-+]?)[${SPACE}]*raw[${SPACE}]*(?:-%\\}[${SPACE}]*|%\\})`, 'y');
const END_RAW = new RegExp(`\\{%([-+]?)[${SPACE}]*endraw[${SPACE}]*(?:\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?)`, 'g');
const END_COMMENT = new RegExp(`\\+#\\}|-#\\}[${SPACE}]*|#\\}\\n?`, 'g');
const END_BLOCK = new RegExp(`\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?`, 'y');
const END_VARIABLE = new RegExp(`-\\}\\}[${SPACE}]*|\\}\\}`, 'y');
const SPACES = new RegExp(`[${SPACE}]+`, 'y');
const ONLY_SPACES = new RegExp(`^[${SPACE}]+$`);
const TRAILING_SPACE = new RegExp(`[${SPACE}]`);
const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const NAME = /[\p{L}\p{N}\p{M}_·]+/uy;
const IDENTIFIER = /^[\p{XID_Start}_][\p{XID_Continue}]*$/u;
const STRING = /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/sy;
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y;
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };
/** Maximum digits of an int literal, as in Python. */
const MAX_DIGITS = 4300;

/** @throws {JinjaError} TemplateSyntaxError */
export function tokenize(template: string): Token[] {
  return new Lexer(template).run();
}

class Lexer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  /** Position up to which `#line` has been counted. */
  #counted = 0;
  #line = 1;

  constructor(template: string) {
    // as Jinja2: line ends become \n, and one at the end of the template is removed
    this.#source = template.replace(LINE_END, '\n').replace(/\n$/, '');
  }

  run(): Token[] {
    while (this.#at < this.#source.length) this.#textAndTag();
    this.#tokens.push({ type: 'eof', value: '', line: this.#lineAt(this.#source.length) });
    return this.#tokens;
  }

  #textAndTag(): void {
    const start = this.#at;
    TAG.lastIndex = start;
    const tag = TAG.exec(this.#source);
    if (!tag) {
      this.#data(start, this.#source.length);
      this.#at = this.#source.length;
      return;
    }
    const at = tag.index;
    const raw = tag[0] === '{%' ? this.#match(RAW, at) : undefined;
    if (raw) {
      this.#data(start, this.#endOfText(start, at, raw[1], true));
      this.#at = at + raw[0].length;
      this.#rawBlock();
      return;
    }
    const sign = /[-+]/.exec(this.#source[at + 2] ?? '')?.[0] ?? '';
    this.#data(start, this.#endOfText(start, at, sign, tag[0] !== '{{'));
    this.#at = at + 2 + sign.length;
    if (tag[0] === '{#') this.#comment();
    else if (tag[0] === '{{') this.#tag('variable_begin', 'variable_end', END_VARIABLE);
    else this.#tag('block_begin', 'block_end', END_BLOCK);
  }

  /** End of the text before a tag, after removing white space for `-` or lstrip_blocks. */
  #endOfText(start: number, end: number, sign: string, isBlock: boolean): number {
    const source = this.#source;
    if (sign === '-') {
      let stripped = end;
      while (stripped > start && TRAILING_SPACE.test(source[stripped - 1])) stripped--;
      return stripped;
    }
    if (sign === '+' || !isBlock) return end;
    const lineStart = start + source.slice(start, end).lastIndexOf('\n') + 1;
    const startsLine = lineStart > start || start === 0 || source[start - 1] === '\n';
    return startsLine && ONLY_SPACES.test(source.slice(lineStart, end)) ? lineStart : end;
  }

  /** Like Jinja2, accepts `{#` at the very end of the template. */
  #comment(): void {
    if (this.#at >= this.#source.length) return;
    END_COMMENT.lastIndex = this.#at;
    const end = END_COMMENT.exec(this.#source);
    if (!end) throw this.#error('Missing end of comment tag', this.#at);
    this.#at = end.index + end[0].length;
  }

  #rawBlock(): void {
    if (this.#at >= this.#source.length) return;
    END_RAW.lastIndex = this.#at;
    const end = END_RAW.exec(this.#source);
    if (!end) throw this.#error('Missing end of raw directive', this.#at);
    this.#data(this.#at, this.#endOfText(this.#at, end.index, end[1], true));
    this.#at = end.index + end[0].length;
  }

  #tag(begin: 'variable_begin' | 'block_begin', end: 'variable_end' | 'block_end', ending: RegExp): void {
    this.#push({ type: begin, value: '', line: this.#lineAt(this.#at) });
    const open: string[] = [];
    while (this.#at < this.#source.length) {
      const closing = open.length === 0 ? this.#match(ending, this.#at) : undefined;
      if (closing) {
        this.#push({ type: end, value: '', line: this.#lineAt(this.#at) });
        this.#at += closing[0].length;
        return;
      }
      this.#expressionToken(open);
    }
  }

  #expressionToken(open: string[]): void {
    const at = this.#at;
    const spaces = this.#match(SPACES, at);
    if (spaces) {
      this.#at += spaces[0].length;
      return;
    }
    const line = this.#lineAt(at);
    const found = (match: RegExpExecArray | undefined): match is RegExpExecArray => {
      if (match) this.#at = at + match[0].length;
      return match !== undefined;
    };
    let match = this.#match(FLOAT, at);
    if (found(match)) {
      this.#push({ type: 'float', value: new Float(Number(match[0].replaceAll('_', ''))), line });
    } else if (found((match = this.#match(INTEGER, at)))) {
      const digits = match[0].replaceAll('_', '').toLowerCase();
      if (/^\d/.test(digits) && digits.length > MAX_DIGITS) throw this.#error('integer literal is too long', at);
      this.#push({ type: 'integer', value: int(BigInt(digits)), line });
    } else if (found((match = this.#match(NAME, at)))) {
      if (!IDENTIFIER.test(match[0])) throw this.#error('Invalid character in identifier', at);
      this.#push({ type: 'name', value: match[0], line });
    } else if (found((match = this.#match(STRING, at)))) {
      const value = unescapeString(match[0].slice(1, -1));
      if (value === undefined) throw this.#error('invalid escape sequence in a string', at);
      this.#push({ type: 'string', value, line });
    } else if (found((match = this.#match(OPERATOR, at)))) {
      const operator = match[0];
      if (Object.hasOwn(CLOSING, operator)) open.push(CLOSING[operator]);
      else if (/^[)\]}]$/.test(operator)) {
        const expected = open.pop();
        if (expected === undefined) throw this.#error(`unexpected '${operator}'`, at);
        if (expected !== operator) throw this.#error(`unexpected '${operator}', expected '${expected}'`, at);
      }
      this.#push({ type: 'operator', value: operator, line });
    } else
      throw this.#error(`unexpected char ${JSON.stringify(String.fromCodePoint(this.#source.codePointAt(at)!))}`, at);
  }

  #data(start: number, end: number): void {
    if (end > start) this.#push({ type: 'data', value: this.#source.slice(start, end), line: this.#lineAt(start) });
  }

  #push(token: Token): void {
    this.#tokens.push(token);
  }

  #match(pattern: RegExp, at: number): RegExpExecArray | undefined {
    pattern.lastIndex = at;
    return pattern.exec(this.#source) ?? undefined;
  }

  /** @param at must not be less than in earlier calls */
  #lineAt(at: number): number {
    for (; this.#counted < at; this.#counted++) if (this.#source.charCodeAt(this.#counted) === 10) this.#line++;
    return this.#line;
  }

  #error(message: string, at: number): JinjaError {
    return new JinjaError('TemplateSyntaxError', message, this.#lineAt(at));
  }
}
