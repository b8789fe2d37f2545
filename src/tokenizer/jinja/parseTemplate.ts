/** Parses tokens to statements. */
import { JinjaError } from './errors.ts';
import type { Token } from './lexer.ts';
import type { Branch, Call, Expression, Parameters, Statement } from './nodes.ts';
import { parseExpression, parseFilter, parseTarget, parseTargetName, parseTuple } from './parseExpression.ts';
import { TokenStream } from './tokenStream.ts';

type StatementParser = (stream: TokenStream, line: number) => Statement | readonly Statement[];

/** Parsers by tag name. They start behind the name. */
const statements: Readonly<Record<string, StatementParser>> = {
  for: parseFor,
  if: parseIf,
  set: parseSet,
  macro: parseMacro,
  call: parseCallBlock,
  filter: (stream, line) => ({
    type: 'filterBlock',
    filter: parseFilter(stream, undefined, true)!,
    body: parseBody(stream, 'endfilter'),
    line,
  }),
  with: parseWith,
  autoescape: (stream, line) => ({
    type: 'autoescape',
    enabled: parseExpression(stream),
    body: parseBody(stream, 'endautoescape'),
    line,
  }),
  block: parseBlock,
  print: parsePrint,
  include: parseInclude,
  import: parseImport,
  from: parseFromImport,
  extends: (stream, line) => ({ type: 'otherTemplate', template: parseExpression(stream), stores: [], line }),
  break: (_, line) => ({ type: 'break', line }),
  continue: (_, line) => ({ type: 'continue', line }),
  // marks the assistant's text for training; it only has its own scope here
  generation: (stream, line) => ({
    type: 'with',
    targets: [],
    values: [],
    body: parseBody(stream, 'endgeneration'),
    line,
  }),
};

/** @throws {JinjaError} TemplateSyntaxError */
export function parseTemplate(tokens: readonly Token[]): Statement[] {
  const stream = new TokenStream(tokens);
  const body = parseStatements(stream, []);
  if (stream.current.type !== 'eof') throw stream.unexpected('end of template');
  return body;
}

/** Parses statements up to a tag named in `ends`, and stops behind its `{%`. */
function parseStatements(stream: TokenStream, ends: readonly string[]): Statement[] {
  const body: Statement[] = [];
  let parts: (string | Expression)[] = [];
  let { line } = stream.current;
  const flush = (): void => {
    if (parts.length > 0) body.push({ type: 'output', parts, line });
    parts = [];
  };
  const add = (part: string | Expression, partLine: number): void => {
    // one output per line of the template, so that errors name the right line
    if (partLine !== line) flush();
    line = partLine;
    parts.push(part);
  };
  for (;;) {
    const token = stream.current;
    if (token.type === 'eof') break;
    stream.next();
    if (token.type === 'data') add(token.value, token.line);
    else if (token.type === 'variable_begin') {
      add(parseTuple(stream), token.line);
      stream.expect('variable_end');
    } else {
      flush();
      if (stream.isName(...ends)) return body;
      body.push(...[stream.nested(() => parseStatement(stream, ends))].flat());
      stream.expect('block_end');
    }
  }
  flush();
  return body;
}

function parseStatement(stream: TokenStream, ends: readonly string[]): Statement | readonly Statement[] {
  const { line } = stream.current;
  if (stream.current.type !== 'name') throw stream.error('tag name expected');
  const name = stream.expectName();
  if (Object.hasOwn(statements, name)) return statements[name](stream, line);
  const looking =
    ends.length > 0 ? ` Jinja was looking for the following tags: ${ends.map((end) => `'${end}'`).join(' or ')}.` : '';
  throw stream.error(`Encountered unknown tag '${name}'.${looking}`, line);
}

/** Parses the body of a tag, and stops at the name of the tag that ends it. */
function parseStatementsUntil(stream: TokenStream, ends: readonly string[]): Statement[] {
  stream.skipOperator(':');
  stream.expect('block_end');
  const body = parseStatements(stream, ends);
  if (stream.current.type === 'eof')
    throw stream.error(
      `Unexpected end of template. Jinja was looking for the following tags: ${ends.map((end) => `'${end}'`).join(' or ')}.`,
    );
  return body;
}

function parseBody(stream: TokenStream, end: string): Statement[] {
  const body = parseStatementsUntil(stream, [end]);
  stream.next();
  return body;
}

function parseFor(stream: TokenStream, line: number): Statement {
  const target = parseTarget(stream, { end: 'in' });
  if (storesLoop(target)) throw stream.error("Can't assign to special loop variable in for-loop target", line);
  stream.expectName('in');
  const iterable = parseTuple(stream, { conditional: false, end: 'recursive' });
  const test = stream.skipName('if') ? parseExpression(stream) : undefined;
  const recursive = stream.skipName('recursive');
  const body = parseStatementsUntil(stream, ['endfor', 'else']);
  const otherwise = stream.next().value === 'else' ? parseBody(stream, 'endfor') : [];
  return { type: 'for', target, iterable, test, recursive, body, otherwise, line };
}

function storesLoop(target: Expression): boolean {
  return target.type === 'tuple' ? target.items.some(storesLoop) : target.type === 'name' && target.name === 'loop';
}

function parseIf(stream: TokenStream, line: number): Statement {
  const branches: Branch[] = [];
  for (;;) {
    const test = parseTuple(stream, { conditional: false });
    branches.push({ test, body: parseStatementsUntil(stream, ['elif', 'else', 'endif']) });
    const tag = stream.next().value;
    if (tag === 'elif') continue;
    return { type: 'if', branches, otherwise: tag === 'else' ? parseBody(stream, 'endif') : [], line };
  }
}

function parseSet(stream: TokenStream, line: number): Statement {
  const target = parseTarget(stream, { namespaces: true });
  if (stream.skipOperator('=')) return { type: 'set', target, value: parseTuple(stream), line };
  const filter = parseFilter(stream);
  return { type: 'setBlock', target, filter, body: parseBody(stream, 'endset'), line };
}

function parseMacro(stream: TokenStream, line: number): Statement {
  const name = parseTargetName(stream);
  const signature = parseSignature(stream);
  return { type: 'macro', name, ...signature, body: parseBody(stream, 'endmacro'), line };
}

function parseCallBlock(stream: TokenStream, line: number): Statement {
  const signature = stream.isOperator('(') ? parseSignature(stream) : { parameters: [], defaults: [] };
  const call = parseExpression(stream);
  if (call.type !== 'call') throw stream.error('expected call', line);
  return { type: 'callBlock', call: call as Call, ...signature, body: parseBody(stream, 'endcall'), line };
}

function parseSignature(stream: TokenStream): Parameters {
  const parameters: Expression[] = [];
  const defaults: Expression[] = [];
  const names = new Set<string>();
  stream.expectOperator('(');
  while (!stream.isOperator(')')) {
    if (parameters.length > 0) stream.expectOperator(',');
    const { line } = stream.current;
    const name = parseTargetName(stream);
    if (names.has(name)) throw stream.error(`duplicate argument '${name}' in function definition`, line);
    names.add(name);
    if (stream.skipOperator('=')) defaults.push(parseExpression(stream));
    else if (defaults.length > 0) throw stream.error('non-default argument follows default argument');
    parameters.push({ type: 'name', name, context: 'parameter', line });
  }
  stream.expectOperator(')');
  return { parameters, defaults };
}

function parseWith(stream: TokenStream, line: number): Statement {
  const targets: Expression[] = [];
  const values: Expression[] = [];
  while (stream.current.type !== 'block_end') {
    if (targets.length > 0) stream.expectOperator(',');
    const target = parseTarget(stream);
    asParameter(target);
    targets.push(target);
    stream.expectOperator('=');
    values.push(parseExpression(stream));
  }
  return { type: 'with', targets, values, body: parseBody(stream, 'endwith'), line };
}

function asParameter(target: Expression): void {
  if (target.type === 'name') target.context = 'parameter';
  else if (target.type === 'tuple') target.items.forEach(asParameter);
}

function parseBlock(stream: TokenStream, line: number): Statement {
  const name = stream.expectName();
  const scoped = stream.skipName('scoped');
  const required = stream.skipName('required');
  if (stream.isOperator('-')) throw stream.error('block names may not contain hyphens, use an underscore instead');
  const body = parseBody(stream, 'endblock');
  stream.skipName(name);
  return { type: 'block', name, scoped, required, body, line };
}

function parsePrint(stream: TokenStream, line: number): Statement {
  const parts: Expression[] = [];
  while (stream.current.type !== 'block_end') {
    if (parts.length > 0) stream.expectOperator(',');
    parts.push(parseExpression(stream));
  }
  return { type: 'output', parts, line };
}

function parseInclude(stream: TokenStream, line: number): Statement {
  const template = parseExpression(stream);
  if (stream.skipName('ignore')) stream.expectName('missing');
  skipImportContext(stream);
  return { type: 'otherTemplate', template, stores: [], line };
}

function parseImport(stream: TokenStream, line: number): Statement {
  const template = parseExpression(stream);
  stream.expectName('as');
  const name = parseTargetName(stream);
  skipImportContext(stream);
  return { type: 'otherTemplate', template, stores: [name], line };
}

function parseFromImport(stream: TokenStream, line: number): Statement {
  const template = parseExpression(stream);
  stream.expectName('import');
  const stores: string[] = [];
  do {
    if (skipImportContext(stream)) break;
    const name = parseTargetName(stream);
    if (name.startsWith('_'))
      throw new JinjaError('TemplateAssertionError', 'names starting with an underline can not be imported', line);
    stores.push(stream.skipName('as') ? parseTargetName(stream) : name);
    if (skipImportContext(stream)) break;
  } while (stream.skipOperator(','));
  return { type: 'otherTemplate', template, stores, line };
}

/** `with context` or `without context` */
function skipImportContext(stream: TokenStream): boolean {
  const { ahead } = stream;
  if (!stream.isName('with', 'without') || ahead.type !== 'name' || ahead.value !== 'context') return false;
  stream.next();
  stream.next();
  return true;
}
