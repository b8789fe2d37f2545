/** Parses tokens to expressions by recursive descent. Each function parses one level of precedence. */
import type { CallArguments, ComparisonOperator, Expression, Filter, Operand } from './nodes.ts';
import type { TokenStream } from './tokenStream.ts';

const COMPARISONS: readonly string[] = ['==', '!=', '<', '<=', '>', '>='];
const CONSTANTS = new Map([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
]);

export interface TupleOptions {
  /** Parse inline `if` (default true). */
  readonly conditional?: boolean;
  /** A name that ends the tuple, as `in` does after `for`. */
  readonly end?: string;
  /** The tuple stands in parentheses, so it may be empty. */
  readonly parenthesized?: boolean;
}

/** An expression, or several with commas between them. */
export function parseTuple(stream: TokenStream, options: TupleOptions = {}): Expression {
  const { conditional = true, end, parenthesized = false } = options;
  return parseItems(stream, () => parseExpression(stream, conditional), end, parenthesized);
}

/** Target of an assignment: a name, or several with commas between them. */
export function parseTarget(stream: TokenStream, options: { end?: string; namespaces?: boolean } = {}): Expression {
  const { line } = stream.current;
  const target = parseItems(stream, () => parsePrimary(stream, options.namespaces), options.end, false);
  return stored(stream, target, line);
}

export function parseTargetName(stream: TokenStream): string {
  const { line } = stream.current;
  const name = stream.expectName();
  if (CONSTANTS.has(name)) throw stream.error("can't assign to 'name'", line);
  return name;
}

function stored(stream: TokenStream, target: Expression, line: number): Expression {
  if (target.type === 'name') target.context = 'store';
  else if (target.type === 'tuple') for (const item of target.items) stored(stream, item, line);
  else if (target.type !== 'namespaceReference') throw stream.error(`can't assign to '${target.type}'`, line);
  return target;
}

function parseItems(
  stream: TokenStream,
  parse: () => Expression,
  end: string | undefined,
  parenthesized: boolean,
): Expression {
  let { line } = stream.current;
  const items: Expression[] = [];
  let isTuple = false;
  for (;;) {
    if (items.length > 0) stream.expectOperator(',');
    if (isTupleEnd(stream, end)) break;
    items.push(parse());
    if (!stream.isOperator(',')) break;
    isTuple = true;
    line = stream.current.line;
  }
  if (!isTuple) {
    if (items.length > 0) return items[0];
    if (!parenthesized) throw stream.error(`Expected an expression, got '${stream.described()}'`);
  }
  return { type: 'tuple', items, line };
}

function isTupleEnd(stream: TokenStream, end: string | undefined): boolean {
  const { type } = stream.current;
  if (type === 'variable_end' || type === 'block_end' || stream.isOperator(')')) return true;
  return end !== undefined && stream.isName(end);
}

export function parseExpression(stream: TokenStream, conditional = true): Expression {
  return stream.nested(() => (conditional ? parseConditional(stream) : parseOr(stream)));
}

function parseConditional(stream: TokenStream): Expression {
  let { line } = stream.current;
  let then = parseOr(stream);
  while (stream.skipName('if')) {
    const test = parseOr(stream);
    const otherwise = stream.skipName('else') ? stream.nested(() => parseConditional(stream)) : undefined;
    then = { type: 'conditional', test, then, otherwise, line };
    line = stream.current.line;
  }
  return then;
}

function parseOr(stream: TokenStream): Expression {
  return parseLogical(stream, 'or', parseAnd);
}

function parseAnd(stream: TokenStream): Expression {
  return parseLogical(stream, 'and', parseNot);
}

function parseLogical(stream: TokenStream, operator: 'and' | 'or', operand: (stream: TokenStream) => Expression) {
  let { line } = stream.current;
  let left = operand(stream);
  while (stream.skipName(operator)) {
    left = { type: 'logical', operator, left, right: operand(stream), line };
    line = stream.current.line;
  }
  return left;
}

function parseNot(stream: TokenStream): Expression {
  const { line } = stream.current;
  if (!stream.skipName('not')) return parseComparison(stream);
  return { type: 'not', operand: stream.nested(() => parseNot(stream)), line };
}

function parseComparison(stream: TokenStream): Expression {
  const { line } = stream.current;
  const first = parseSum(stream);
  const others: Operand[] = [];
  for (;;) {
    const operator = parseComparisonOperator(stream);
    if (!operator) break;
    others.push({ operator, operand: parseSum(stream) });
  }
  return others.length === 0 ? first : { type: 'comparison', first, others, line };
}

function parseComparisonOperator(stream: TokenStream): ComparisonOperator | undefined {
  if (stream.isOperator(...COMPARISONS)) return stream.next().value as ComparisonOperator;
  if (stream.skipName('in')) return 'in';
  const { ahead } = stream;
  if (!stream.isName('not') || ahead.type !== 'name' || ahead.value !== 'in') return undefined;
  stream.next();
  stream.next();
  return 'not in';
}

function parseSum(stream: TokenStream): Expression {
  return parseBinary(stream, ['+', '-'], parseConcatenation);
}

function parseConcatenation(stream: TokenStream): Expression {
  const { line } = stream.current;
  const parts = [parseProduct(stream)];
  while (stream.skipOperator('~')) parts.push(parseProduct(stream));
  return parts.length === 1 ? parts[0] : { type: 'concatenation', parts, line };
}

function parseProduct(stream: TokenStream): Expression {
  return parseBinary(stream, ['*', '/', '//', '%'], parsePower);
}

function parsePower(stream: TokenStream): Expression {
  return parseBinary(stream, ['**'], parseUnary);
}

function parseBinary(
  stream: TokenStream,
  operators: readonly ('+' | '-' | '*' | '/' | '//' | '%' | '**')[],
  operand: (stream: TokenStream) => Expression,
): Expression {
  let { line } = stream.current;
  let left = operand(stream);
  while (stream.isOperator(...operators)) {
    const operator = stream.next().value as (typeof operators)[number];
    left = { type: 'binary', operator, left, right: operand(stream), line };
    line = stream.current.line;
  }
  return left;
}

function parseUnary(stream: TokenStream): Expression {
  return parseFilters(stream, parseSigned(stream));
}

/** A sign binds tighter than a filter: `-1|abs` is `(-1)|abs`. */
function parseSigned(stream: TokenStream): Expression {
  const { line } = stream.current;
  if (!stream.isOperator('-', '+')) return parsePostfix(stream, parsePrimary(stream));
  const operator = stream.next().value as '+' | '-';
  return parsePostfix(stream, { type: 'sign', operator, operand: stream.nested(() => parseSigned(stream)), line });
}

function parsePrimary(stream: TokenStream, namespaces = false): Expression {
  const token = stream.current;
  const { line } = token;
  switch (token.type) {
    case 'name': {
      stream.next();
      const constant = CONSTANTS.get(token.value);
      if (constant !== undefined) return { type: 'constant', value: constant, line };
      if (namespaces && stream.skipOperator('.'))
        return { type: 'namespaceReference', name: token.value, attribute: stream.expectName(), line };
      return { type: 'name', name: token.value, context: 'load', line };
    }
    case 'string': {
      let text = '';
      while (stream.current.type === 'string') text += stream.next().value;
      return { type: 'constant', value: text, line };
    }
    case 'integer':
    case 'float':
      stream.next();
      return { type: 'constant', value: token.value, line };
  }
  if (stream.skipOperator('(')) {
    const tuple = stream.nested(() => parseTuple(stream, { parenthesized: true }));
    stream.expectOperator(')');
    return tuple;
  }
  if (stream.skipOperator('['))
    return { type: 'list', items: parseSeparated(stream, ']', () => parseExpression(stream)), line };
  if (stream.skipOperator('{'))
    return { type: 'dict', items: parseSeparated(stream, '}', () => parseEntry(stream)), line };
  throw stream.error(`unexpected '${stream.described()}'`);
}

function parseEntry(stream: TokenStream): readonly [Expression, Expression] {
  const key = parseExpression(stream);
  stream.expectOperator(':');
  return [key, parseExpression(stream)];
}

/** Parses elements up to the closing bracket. A trailing comma is allowed. */
function parseSeparated<T>(stream: TokenStream, closing: string, parse: () => T): T[] {
  const items: T[] = [];
  while (!stream.isOperator(closing)) {
    if (items.length > 0) stream.expectOperator(',');
    if (stream.isOperator(closing)) break;
    items.push(parse());
  }
  stream.expectOperator(closing);
  return items;
}

function parsePostfix(stream: TokenStream, node: Expression): Expression {
  let result = node;
  for (;;) {
    if (stream.isOperator('.', '[')) result = parseSubscript(stream, result);
    else if (stream.isOperator('(')) result = parseCall(stream, result);
    else return result;
  }
}

function parseFilters(stream: TokenStream, node: Expression): Expression {
  let result = node;
  for (;;) {
    if (stream.isOperator('|')) result = parseFilter(stream, result)!;
    else if (stream.isName('is')) result = parseTest(stream, result);
    else if (stream.isOperator('(')) result = parseCall(stream, result);
    else return result;
  }
}

function parseSubscript(stream: TokenStream, object: Expression): Expression {
  const { line, value: bracket } = stream.next();
  if (bracket === '.') {
    const token = stream.next();
    if (token.type === 'name') return { type: 'attribute', object, name: token.value, line };
    if (token.type !== 'integer') throw stream.error('expected name or number', token.line);
    return { type: 'item', object, index: { type: 'constant', value: token.value, line }, line };
  }
  const indices: Expression[] = [];
  while (!stream.isOperator(']')) {
    if (indices.length > 0) stream.expectOperator(',');
    indices.push(parseIndex(stream));
  }
  stream.expectOperator(']');
  if (indices.length === 1) return { type: 'item', object, index: indices[0], line };
  if (indices.some(({ type }) => type === 'slice')) throw stream.error('invalid syntax: a slice in a tuple', line);
  return { type: 'item', object, index: { type: 'tuple', items: indices, line }, line };
}

function parseIndex(stream: TokenStream): Expression {
  const { line } = stream.current;
  let start: Expression | undefined;
  if (!stream.isOperator(':')) {
    start = parseExpression(stream);
    if (!stream.isOperator(':')) return start;
  }
  stream.next();
  const stop = stream.isOperator(':', ']', ',') ? undefined : parseExpression(stream);
  const step = stream.skipOperator(':') && !stream.isOperator(']', ',') ? parseExpression(stream) : undefined;
  return { type: 'slice', start, stop, step, line };
}

function parseCall(stream: TokenStream, callee: Expression): Expression {
  const { line } = stream.current;
  return { type: 'call', callee, ...parseArguments(stream), line };
}

function parseArguments(stream: TokenStream): CallArguments {
  const { line } = stream.expectOperator('(');
  const positional: Expression[] = [];
  const named: (readonly [string, Expression])[] = [];
  let rest: Expression | undefined;
  let options: Expression | undefined;
  const ensure = (valid: boolean): void => {
    if (!valid) throw stream.error('invalid syntax for function call expression', line);
  };
  for (let first = true; !stream.isOperator(')'); first = false) {
    if (!first) {
      stream.expectOperator(',');
      if (stream.isOperator(')')) break;
    }
    const { ahead } = stream;
    if (stream.skipOperator('*')) {
      ensure(!rest && !options);
      rest = parseExpression(stream);
    } else if (stream.skipOperator('**')) {
      ensure(!options);
      options = parseExpression(stream);
    } else if (stream.current.type === 'name' && ahead.type === 'operator' && ahead.value === '=') {
      ensure(!options);
      const name = stream.expectName();
      stream.next();
      ensure(!named.some(([other]) => other === name));
      named.push([name, parseExpression(stream)]);
    } else {
      ensure(!rest && !options && named.length === 0);
      positional.push(parseExpression(stream));
    }
  }
  stream.expectOperator(')');
  return { positional, named, rest, options };
}

const NO_ARGUMENTS: CallArguments = { positional: [], named: [] };

/** Parses one or more filters. @param operand absent for filters of a block's text */
export function parseFilter(stream: TokenStream, operand?: Expression, inline = false): Filter | undefined {
  let result: Filter | undefined;
  for (let first = inline; first || stream.isOperator('|'); first = false) {
    if (!first) stream.next();
    const { line } = stream.current;
    const name = parseDottedName(stream);
    const given = stream.isOperator('(') ? parseArguments(stream) : NO_ARGUMENTS;
    result = { type: 'filter', operand: result ?? operand, name, ...given, line };
  }
  return result;
}

function parseDottedName(stream: TokenStream): string {
  let name = stream.expectName();
  while (stream.skipOperator('.')) name += `.${stream.expectName()}`;
  return name;
}

function parseTest(stream: TokenStream, operand: Expression): Expression {
  const { line } = stream.next();
  const negated = stream.skipName('not');
  const name = parseDottedName(stream);
  let given = NO_ARGUMENTS;
  if (stream.isOperator('(')) given = parseArguments(stream);
  else if (beginsArgument(stream)) {
    if (stream.isName('is')) throw stream.error('You cannot chain multiple tests with is');
    given = { positional: [parsePostfix(stream, parsePrimary(stream))], named: [] };
  }
  const test: Expression = { type: 'test', operand, name, ...given, line };
  return negated ? { type: 'not', operand: test, line } : test;
}

/** True if a test's only argument follows without parentheses. */
function beginsArgument(stream: TokenStream): boolean {
  const { type } = stream.current;
  if (type === 'name') return !stream.isName('else', 'or', 'and');
  return type === 'string' || type === 'integer' || type === 'float' || stream.isOperator('[', '{');
}
