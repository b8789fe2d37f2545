/** A stream of tokens with one token of lookahead. */
import { JinjaError } from './errors.ts';
import type { Token } from './lexer.ts';

/** Maximum nesting of expressions and statements. Python's recursion limit is reached at about the same depth. */
const MAX_NESTING = 100;

export class TokenStream {
  readonly #tokens: readonly Token[];
  #at = 0;
  #nesting = 0;

  /** @param tokens the last one is 'eof' */
  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get current(): Token {
    return this.#tokens[this.#at];
  }

  get ahead(): Token {
    return this.#tokens[Math.min(this.#at + 1, this.#tokens.length - 1)];
  }

  /** @returns the token that was the current one */
  next(): Token {
    const token = this.current;
    if (token.type !== 'eof') this.#at++;
    return token;
  }

  isName(...names: readonly string[]): boolean {
    const { type, value } = this.current;
    return type === 'name' && names.includes(value);
  }

  isOperator(...operators: readonly string[]): boolean {
    const { type, value } = this.current;
    return type === 'operator' && operators.includes(value);
  }

  skipName(name: string): boolean {
    const found = this.isName(name);
    if (found) this.next();
    return found;
  }

  skipOperator(operator: string): boolean {
    const found = this.isOperator(operator);
    if (found) this.next();
    return found;
  }

  expectOperator(operator: string): Token {
    if (this.isOperator(operator)) return this.next();
    throw this.unexpected(operator);
  }

  expectName(name?: string): string {
    const token = this.current;
    if (token.type !== 'name' || (name !== undefined && token.value !== name)) throw this.unexpected(name ?? 'name');
    this.next();
    return token.value;
  }

  expect(type: Token['type']): Token {
    if (this.current.type === type) return this.next();
    throw this.unexpected(describe(type));
  }

  unexpected(expected: string): JinjaError {
    const { type } = this.current;
    if (type === 'eof') return this.error(`unexpected end of template, expected '${expected}'.`);
    return this.error(`expected token '${expected}', got '${this.described()}'`);
  }

  /** Description of the current token, for errors. */
  described(): string {
    const { type, value } = this.current;
    return type === 'name' || type === 'operator' ? value : describe(type);
  }

  error(message: string, line = this.current.line): JinjaError {
    return new JinjaError('TemplateSyntaxError', message, line);
  }

  /** Parses one level deeper. */
  nested<T>(parse: () => T): T {
    if (this.#nesting >= MAX_NESTING) throw this.error('too deeply nested');
    this.#nesting++;
    try {
      return parse();
    } finally {
      this.#nesting--;
    }
  }
}

function describe(type: Token['type']): string {
  switch (type) {
    case 'variable_begin':
      return 'begin of print statement';
    case 'variable_end':
      return 'end of print statement';
    case 'block_begin':
      return 'begin of statement block';
    case 'block_end':
      return 'end of statement block';
    case 'data':
      return 'template data / text';
    case 'eof':
      return 'end of template';
    default:
      return type;
  }
}
