/** Compiles statements to functions that execute them. */
import { callValue } from './call.ts';
import { compileArguments, compileExpression, compileFilter } from './compileExpression.ts';
import { compileFor } from './compileFor.ts';
import { compileTarget } from './compileTarget.ts';
import { JinjaError, typeError } from './errors.ts';
import {
  Activation,
  BREAK,
  CONTINUE,
  compileError,
  type Evaluate,
  type Execute,
  type Frame,
  NEXT,
  Output,
} from './frame.ts';
import { escapeHtml } from './html.ts';
import { atLine, spend } from './limits.ts';
import { Macro } from './macro.ts';
import type { Expression, Parameters, Statement } from './nodes.ts';
import { str } from './repr.ts';
import { isString, isTrue, Markup, stringValue, typeName, Undefined, type Value } from './values.ts';
import { undeclaredNames } from './walk.ts';

export function compileBody(nodes: readonly Statement[], frame: Frame): Execute {
  const statements = nodes.map((node) => compileStatement(node, frame));
  if (statements.length === 1) return statements[0];
  return (activation, output) => {
    for (const statement of statements) {
      const flow = statement(activation, output);
      if (flow !== NEXT) return flow;
    }
    return NEXT;
  };
}

function compileStatement(node: Statement, frame: Frame): Execute {
  const execute = compileKind(node, frame);
  const { line } = node;
  return (activation, output) => {
    spend(1);
    atLine(line);
    return execute(activation, output);
  };
}

function compileKind(node: Statement, frame: Frame): Execute {
  switch (node.type) {
    case 'output':
      return compileOutput(node.parts, frame);
    case 'for':
      return compileFor(node, frame);
    case 'if':
      return compileIf(node, frame);
    case 'set': {
      const value = compileExpression(node.value, frame);
      const assign = compileTarget(node.target, frame);
      return (activation) => {
        assign.check(activation);
        assign.store(activation, value(activation));
        return NEXT;
      };
    }
    case 'setBlock':
      return compileSetBlock(node, frame);
    case 'macro':
      return compileMacro(node, frame);
    case 'callBlock':
      return compileCallBlock(node, frame);
    case 'filterBlock':
      return compileFilterBlock(node, frame);
    case 'with':
      return compileWith(node, frame);
    case 'autoescape':
      return compileAutoescape(node, frame);
    case 'block':
      return compileBlock(node, frame);
    case 'break':
    case 'continue': {
      if (!frame.inLoop) throw compileError(`'${node.type}' outside loop`, node.line);
      const flow = node.type === 'break' ? BREAK : CONTINUE;
      return () => flow;
    }
    case 'otherTemplate':
      return () => {
        throw typeError('a chat template cannot include, import or extend other templates');
      };
  }
}

function compileOutput(parts: readonly (string | Expression)[], frame: Frame): Execute {
  const { autoescape } = frame;
  const writers = parts.map((part): ((activation: Activation, output: Output) => void) => {
    if (typeof part === 'string') return (_, output) => output.write(part);
    const value = compileExpression(part, frame);
    if (autoescape === false) return (activation, output) => output.write(str(value(activation)));
    return (activation, output) => {
      const escapes = autoescape === true || activation.context.autoescape;
      output.write((escapes ? escapeHtml : str)(value(activation)));
    };
  });
  if (writers.length === 1) {
    const [write] = writers;
    return (activation, output) => {
      write(activation, output);
      return NEXT;
    };
  }
  return (activation, output) => {
    for (const write of writers) write(activation, output);
    return NEXT;
  };
}

function compileIf({ branches, otherwise }: Extract<Statement, { type: 'if' }>, frame: Frame): Execute {
  const branch = frame.branch();
  const compiled = branches.map(({ test, body }) => ({
    test: compileExpression(test, branch),
    body: compileBody(body, branch),
  }));
  const last = compileBody(otherwise, branch);
  return (activation, output) => {
    for (const { test, body } of compiled) if (isTrue(test(activation))) return body(activation, output);
    return last(activation, output);
  };
}

/** `{% set a %}…{% endset %}` */
function compileSetBlock(node: Extract<Statement, { type: 'setBlock' }>, frame: Frame): Execute {
  const inner = frame.inner();
  inner.symbols.statements(node.body);
  const { render, leave } = compileScope(node.body, inner);
  const assign = compileTarget(node.target, frame);
  let text: Value = '';
  const filtered = node.filter && compileFilter(node.filter, inner, () => text);
  return (activation) => {
    const { autoescape } = activation.context;
    const inside = new Output();
    const flow = render(activation, inside);
    if (flow !== NEXT) return flow;
    text = inside.text();
    const value = filtered ? filtered(activation) : text;
    assign.store(activation, autoescape ? new Markup(str(value)) : value);
    leave(activation);
    return NEXT;
  };
}

/** Compiles a body that has its own scope. */
function compileScope(
  body: readonly Statement[],
  inner: Frame,
): { render: Execute; leave: (activation: Activation) => void } {
  const execute = compileBody(body, inner);
  const enter = inner.enter();
  return {
    render: (activation, output) => {
      enter(activation);
      return execute(activation, output);
    },
    leave: inner.leave(),
  };
}

function compileMacro(node: Extract<Statement, { type: 'macro' }>, frame: Frame): Execute {
  const define = compileMacroBody(node, node.body, frame, node.name, node.line);
  const assign = compileTarget({ type: 'name', name: node.name, context: 'store', line: node.line }, frame);
  return (activation) => {
    assign.store(activation, define(activation));
    return NEXT;
  };
}

/** `{% call(x) name(…) %}…{% endcall %}` */
function compileCallBlock(node: Extract<Statement, { type: 'callBlock' }>, frame: Frame): Execute {
  const define = compileMacroBody(node, node.body, frame, undefined, node.line);
  const callee = compileExpression(node.call.callee, frame);
  const given = compileArguments(node.call, frame);
  return (activation, output) => {
    const caller = define(activation);
    const result = callValue(callee(activation), given(activation, caller));
    output.write(written(result));
    return NEXT;
  };
}

/** Text of a call, filter or loop block. Jinja2 neither converts nor escapes it, so that another type is an error. */
export function written(value: Value): string {
  if (isString(value)) return stringValue(value);
  throw typeError(`sequence item 0: expected str instance, ${typeName(value)} found`);
}

function compileMacroBody(
  { parameters, defaults }: Parameters,
  body: readonly Statement[],
  frame: Frame,
  name: string | undefined,
  line: number,
): (activation: Activation) => Macro {
  const inner = frame.innerFunction();
  const { symbols } = inner;
  for (const parameter of parameters) symbols.expression(parameter);
  for (const value of defaults) symbols.expression(value);
  const names = parameters.map((parameter) => (parameter as Extract<Expression, { type: 'name' }>).name);
  const firstDefault = parameters.length - defaults.length;

  const undeclared = undeclaredNames(body, ['caller', 'kwargs', 'varargs']);
  const takesCaller = undeclared.has('caller');
  const explicitCaller = names.indexOf('caller');
  if (takesCaller && explicitCaller >= 0 && explicitCaller < firstDefault)
    throw compileError('the special "caller" argument must be omitted or be given a default', line);
  const special = [
    ...(takesCaller && explicitCaller < 0 ? ['caller'] : []),
    ...(undeclared.has('kwargs') && !names.includes('kwargs') ? ['kwargs'] : []),
    ...(undeclared.has('varargs') && !names.includes('varargs') ? ['varargs'] : []),
  ];
  for (const each of special) symbols.declareParameter(each);
  symbols.statements(body);

  const slots = [...names, ...special].map((each) => symbols.reference(each).slot);
  const fill: Evaluate[] = names.map((each, i) => {
    if (i >= firstDefault) return compileExpression(defaults[i - firstDefault], inner);
    return () => new Undefined(() => `parameter '${each}' was not provided`);
  });
  const enter = inner.enter();
  const execute = compileBody(body, inner);
  return (outer) =>
    new Macro({
      name,
      parameters: names,
      takesCaller,
      takesNamed: special.includes('kwargs'),
      takesRest: special.includes('varargs'),
      render: (values) => {
        const activation = new Activation(outer.context, outer);
        enter(activation);
        slots.forEach((slot, i) => {
          activation.slots[slot] = values[i];
        });
        fill.forEach((value, i) => {
          if (activation.slots[slots[i]] === undefined) activation.slots[slots[i]] = value(activation);
        });
        const output = new Output();
        execute(activation, output);
        return outer.context.autoescape ? new Markup(output.text()) : output.text();
      },
    });
}

function compileFilterBlock(node: Extract<Statement, { type: 'filterBlock' }>, frame: Frame): Execute {
  const inner = frame.inner();
  inner.symbols.statements(node.body);
  inner.symbols.expression(node.filter);
  const { render, leave } = compileScope(node.body, inner);
  let text: Value = '';
  const filtered = compileFilter(node.filter, inner, () => text);
  const { autoescape } = frame;
  return (activation, output) => {
    const inside = new Output();
    const flow = render(activation, inside);
    if (flow !== NEXT) return flow;
    const escapes = autoescape === true || (autoescape === 'dynamic' && activation.context.autoescape);
    text = escapes ? new Markup(inside.text()) : inside.text();
    output.write(written(filtered(activation)));
    leave(activation);
    return NEXT;
  };
}

function compileWith(node: Extract<Statement, { type: 'with' }>, frame: Frame): Execute {
  const inner = frame.inner();
  for (const target of node.targets) inner.symbols.expression(target);
  inner.symbols.statements(node.body);
  const enter = inner.enter();
  const leave = inner.leave();
  const assignments = node.targets.map((target, i) => {
    const value = compileExpression(node.values[i], frame);
    const assign = compileTarget(target, inner);
    return (activation: Activation) => assign.store(activation, value(activation));
  });
  const body = compileBody(node.body, inner);
  return (activation, output) => {
    enter(activation);
    for (const assign of assignments) assign(activation);
    const flow = body(activation, output);
    if (flow === NEXT) leave(activation);
    return flow;
  };
}

function compileAutoescape(node: Extract<Statement, { type: 'autoescape' }>, frame: Frame): Execute {
  const inner = frame.inner();
  inner.symbols.expression(node.enabled);
  inner.symbols.statements(node.body);
  const enabled = compileExpression(node.enabled, inner);
  const constant = node.enabled.type === 'constant' ? isTrue(node.enabled.value) : 'dynamic';
  const body = compileBody(node.body, inner.withAutoescape(constant));
  const enter = inner.enter();
  const leave = inner.leave();
  return (activation, output) => {
    const { context } = activation;
    const before = context.autoescape;
    enter(activation);
    context.autoescape = isTrue(enabled(activation));
    const flow = body(activation, output);
    if (flow !== NEXT) return flow;
    context.autoescape = before;
    leave(activation);
    return NEXT;
  };
}

/** Renders a block in its place. There are no parent templates that could move it. */
function compileBlock(node: Extract<Statement, { type: 'block' }>, frame: Frame): Execute {
  const { name, required, scoped } = node;
  const seen = scoped ? [...frame.symbols.storedNames()] : [];
  const readers = seen.map((variable) => [variable, frame.reader(frame.symbols.reference(variable))] as const);
  return (activation, output) => {
    if (required) throw new JinjaError('TemplateRuntimeError', `Required block '${name}' not found`);
    const { context } = activation;
    const variables = new Map<string, Value>();
    for (const [variable, read] of readers) {
      const value = read(activation);
      if (value !== undefined) variables.set(variable, value);
    }
    context.blocks.get(name)!(scoped ? context.derived(variables) : context, output);
    return NEXT;
  };
}
