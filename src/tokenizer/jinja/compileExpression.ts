/** Compiles expressions to functions that evaluate them. */
import { getAttribute, getItem, getSlice } from './attributes.ts';
import { callValue, type FilterFunction, type TestFunction } from './call.ts';
import { contains, equal, ordered } from './compare.ts';
import { typeError } from './errors.ts';
import { filters } from './filters/index.ts';
import { compileError, type Evaluate, type Frame } from './frame.ts';
import { escapeHtml } from './html.ts';
import { iterateForward } from './iterate.ts';
import { checkLength, spend } from './limits.ts';
import type { CallArguments, ComparisonOperator, Expression, Filter } from './nodes.ts';
import { binary, signed } from './operators.ts';
import { str } from './repr.ts';
import { tests } from './tests.ts';
import { type Arguments, Dict, isTrue, Markup, Tuple, typeName, Undefined, type Value } from './values.ts';

export function compileExpression(node: Expression, frame: Frame): Evaluate {
  switch (node.type) {
    case 'constant': {
      const { value } = node;
      return () => value;
    }
    case 'name':
      return frame.variable(node.name);
    case 'tuple': {
      const items = compileAll(node.items, frame);
      return (activation) => new Tuple(items.map((item) => item(activation)));
    }
    case 'list': {
      const items = compileAll(node.items, frame);
      return (activation) => items.map((item) => item(activation));
    }
    case 'dict': {
      const entries = node.items.map((entry) => compileAll(entry, frame));
      return (activation) => new Dict(entries.map(([key, value]) => [key(activation), value(activation)] as const));
    }
    case 'conditional':
      return compileConditional(node, frame);
    case 'logical': {
      const left = compileExpression(node.left, frame);
      const right = compileExpression(node.right, frame);
      const stopAt = node.operator === 'or';
      return (activation) => {
        const value = left(activation);
        return isTrue(value) === stopAt ? value : right(activation);
      };
    }
    case 'not': {
      const operand = compileExpression(node.operand, frame);
      return (activation) => !isTrue(operand(activation));
    }
    case 'sign': {
      const operand = compileExpression(node.operand, frame);
      const { operator } = node;
      return (activation) => signed(operator, operand(activation));
    }
    case 'binary': {
      const left = compileExpression(node.left, frame);
      const right = compileExpression(node.right, frame);
      const { operator } = node;
      return (activation) => {
        spend(1);
        return binary(operator, left(activation), right(activation));
      };
    }
    case 'concatenation':
      return compileConcatenation(compileAll(node.parts, frame), frame);
    case 'comparison':
      return compileComparison(node, frame);
    case 'attribute': {
      const object = compileExpression(node.object, frame);
      const { name } = node;
      return (activation) => getAttribute(object(activation), name);
    }
    case 'item':
      return compileItem(node, frame);
    case 'call': {
      const callee = compileExpression(node.callee, frame);
      const given = compileArguments(node, frame);
      return (activation) => callValue(callee(activation), given(activation));
    }
    case 'filter':
      return compileFilter(node, frame, compileExpression(node.operand!, frame));
    case 'test': {
      const test = compileName<TestFunction>(tests, 'test', node, frame);
      const operand = compileExpression(node.operand, frame);
      const given = compileArguments(node, frame);
      return (activation) => {
        spend(1);
        return test(operand(activation), given(activation));
      };
    }
    case 'namespaceReference':
    case 'slice':
      throw compileError(`a ${node.type} has no value of its own`, node.line);
  }
}

function compileAll(nodes: readonly Expression[], frame: Frame): Evaluate[] {
  return nodes.map((node) => compileExpression(node, frame));
}

function compileConditional(node: Extract<Expression, { type: 'conditional' }>, frame: Frame): Evaluate {
  const branch = frame.branch();
  const test = compileExpression(node.test, branch);
  const then = compileExpression(node.then, branch);
  const { line } = node;
  const message = `the inline if-expression on line ${line} evaluated to false and no else section was defined.`;
  const otherwise = node.otherwise ? compileExpression(node.otherwise, branch) : () => new Undefined(() => message);
  return (activation) => (isTrue(test(activation)) ? then(activation) : otherwise(activation));
}

/** `a ~ b`. Escapes where the template turns `autoescape` on by a constant, as Jinja2 does. */
function compileConcatenation(parts: readonly Evaluate[], { autoescape }: Frame): Evaluate {
  return (activation) => {
    spend(1);
    const values = parts.map((part) => part(activation));
    if (autoescape === true && values.some((value) => value instanceof Markup))
      return new Markup(joined(values.map(escapeHtml)));
    return joined(values.map(str));
  };
}

function joined(texts: readonly string[]): string {
  checkLength(texts.reduce((length, text) => length + text.length, 0));
  let all = '';
  for (const text of texts) all += text;
  return all;
}

/** `a < b < c` is `a < b and b < c`, where b is computed once. */
function compileComparison(node: Extract<Expression, { type: 'comparison' }>, frame: Frame): Evaluate {
  const first = compileExpression(node.first, frame);
  const others = node.others.map(({ operator, operand }) => ({ operator, operand: compileExpression(operand, frame) }));
  return (activation) => {
    let left = first(activation);
    for (const { operator, operand } of others) {
      const right = operand(activation);
      if (!compare(operator, left, right)) return false;
      left = right;
    }
    return true;
  };
}

function compare(operator: ComparisonOperator, left: Value, right: Value): boolean {
  switch (operator) {
    case '==':
      return equal(left, right);
    case '!=':
      return !equal(left, right);
    case 'in':
      return contains(right, left);
    case 'not in':
      return !contains(right, left);
    default:
      return ordered(operator, left, right);
  }
}

function compileItem(node: Extract<Expression, { type: 'item' }>, frame: Frame): Evaluate {
  const object = compileExpression(node.object, frame);
  const { index } = node;
  if (index.type !== 'slice') {
    const key = compileExpression(index, frame);
    return (activation) => getItem(object(activation), key(activation));
  }
  const bound = (part: Expression | undefined): Evaluate => (part ? compileExpression(part, frame) : () => null);
  const [start, stop, step] = [bound(index.start), bound(index.stop), bound(index.step)];
  return (activation) =>
    getSlice(object(activation), { start: start(activation), stop: stop(activation), step: step(activation) });
}

/** @param operand what is filtered */
export function compileFilter(node: Filter, frame: Frame, operand: Evaluate): Evaluate {
  // a chain of filters before a block ends in the block's text
  const input =
    node.operand?.type === 'filter' && !hasOperand(node) ? compileFilter(node.operand, frame, operand) : operand;
  const filter = compileName<FilterFunction>(filters, 'filter', node, frame);
  const given = compileArguments(node, frame);
  return (activation) => {
    spend(1);
    return filter(activation.context, input(activation), given(activation));
  };
}

/** True if a chain of filters starts with a value, and not with the text of a block. */
function hasOperand(node: Filter): boolean {
  let at: Expression | undefined = node;
  while (at?.type === 'filter') at = at.operand;
  return at !== undefined;
}

function compileName<F>(
  all: ReadonlyMap<string, F>,
  kind: 'filter' | 'test',
  { name, line }: { readonly name: string; readonly line: number },
  frame: Frame,
): F {
  const found = all.get(name);
  if (found) return found;
  if (!frame.soft) throw compileError(`No ${kind} named '${name}'.`, line);
  return (() => {
    throw compileError(`No ${kind} named '${name}' found.`, line);
  }) as F;
}

export function compileArguments(
  node: CallArguments,
  frame: Frame,
): (activation: Parameters<Evaluate>[0], caller?: Value) => Arguments {
  const positional = compileAll(node.positional, frame);
  const named = node.named.map(([name, value]) => [name, compileExpression(value, frame)] as const);
  const rest = node.rest && compileExpression(node.rest, frame);
  const options = node.options && compileExpression(node.options, frame);
  if (named.length === 0 && !rest && !options) {
    return (activation, caller) => ({
      positional: positional.map((value) => value(activation)),
      named: caller === undefined ? NONE : new Map([['caller', caller]]),
    });
  }
  return (activation, caller) => {
    const values = positional.map((value) => value(activation));
    const byName = new Map(named.map(([name, value]) => [name, value(activation)]));
    if (caller !== undefined) setOnce(byName, 'caller', caller);
    if (rest) for (const value of iterateForward(rest(activation))) values.push(value);
    if (options) addOptions(byName, options(activation));
    return { positional: values, named: byName };
  };
}

const NONE: ReadonlyMap<string, Value> = new Map();

function addOptions(byName: Map<string, Value>, options: Value): void {
  if (options instanceof Undefined) throw options.error();
  if (!(options instanceof Dict)) throw typeError(`argument after ** must be a mapping, not ${typeName(options)}`);
  for (const [name, value] of options.entries()) {
    if (typeof name !== 'string') throw typeError('keywords must be strings');
    setOnce(byName, name, value);
  }
}

function setOnce(byName: Map<string, Value>, name: string, value: Value): void {
  if (byName.has(name)) throw typeError(`got multiple values for keyword argument '${name}'`);
  byName.set(name, value);
}
