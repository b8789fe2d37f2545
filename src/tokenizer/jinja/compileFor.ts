/** `for` loops. */
import { compileExpression } from './compileExpression.ts';
import { compileBody } from './compileStatement.ts';
import { compileTarget } from './compileTarget.ts';
import { Activation, BREAK, compileError, type Execute, type Flow, type Frame, NEXT, Output } from './frame.ts';
import { iterate } from './iterate.ts';
import { nested, spend } from './limits.ts';
import { LoopContext, type Recurse } from './loop.ts';
import type { Expression, Statement } from './nodes.ts';
import { str } from './repr.ts';
import { FunctionCode } from './symbols.ts';
import { isTrue, Lazy, Markup, type Value } from './values.ts';
import { inspectLoop, undeclaredNames } from './walk.ts';

type For = Extract<Statement, { type: 'for' }>;

/**
 * Runs the loop over the elements of a value.
 * @param activation where the loop's variables are
 * @param outer where the variables around the loop are
 * @param depth of a recursive loop
 */
type Run = (
  activation: Activation,
  outer: Activation,
  output: Output,
  iterable: Value,
  recurse?: Recurse,
  depth?: number,
) => Flow;

export function compileFor(node: For, frame: Frame): Execute {
  if (inspectLoop(node).assignsLoop)
    throw compileError("Can't assign to special loop variable in for-loop target", node.line);
  const iterable = compileExpression(node.iterable, frame);
  const run = compileRounds(node, frame);
  if (!node.recursive) return (activation, output) => run(activation, activation, output, iterable(activation));
  // a recursive loop is a function that `loop(…)` calls again
  return (outer, output) => {
    const { context } = outer;
    const recurse: Recurse = (values, depth) =>
      nested(() => {
        const written = new Output();
        run(new Activation(context, outer), outer, written, values, recurse, depth);
        return context.autoescape ? new Markup(written.text()) : written.text();
      });
    const text = recurse(iterable(outer), 0);
    output.write(str(text));
    return NEXT;
  };
}

function compileRounds(node: For, frame: Frame): Run {
  const code = node.recursive ? new FunctionCode(frame.code) : frame.code;
  const loopFrame = frame.innerIn(code, true);
  const extended =
    node.recursive || undeclaredNames(node.body, ['loop']).has('loop') || inspectLoop(node).hasScopedBlock;
  const loopSlot = extended ? loopFrame.symbols.declareParameter('loop').slot : undefined;
  loopFrame.symbols.expression(node.target, true);
  loopFrame.symbols.statements(node.body);
  const elseFrame = frame.innerIn(code, frame.inLoop && !node.recursive);
  elseFrame.symbols.statements(node.otherwise);

  const passing = node.test && compileTest(node.target, node.test, frame.innerFunction());
  const enter = loopFrame.enter();
  const leave = loopFrame.leave();
  const target = compileTarget(node.target, loopFrame);
  const body = compileBody(node.body, loopFrame);
  const enterElse = elseFrame.enter();
  const leaveElse = elseFrame.leave();
  const otherwise = node.otherwise.length > 0 ? compileBody(node.otherwise, elseFrame) : undefined;

  return (activation, outer, output, given, recurse, depth) => {
    const values: Value = passing ? new Lazy(passing(outer, given)) : given;
    const loop = extended ? new LoopContext(values, recurse, depth) : undefined;
    const next = loop ? () => loop.next() : elements(values);
    // Jinja2 runs `else` if no iteration completed, so also after `continue` and `break`
    let completed = false;
    for (let value = next(); value !== undefined; value = next()) {
      target.store(activation, value);
      if (loopSlot !== undefined) activation.slots[loopSlot] = loop;
      enter(activation);
      const flow = body(activation, output);
      if (flow === BREAK) break;
      if (flow === NEXT) completed = true;
    }
    leave(activation);
    if (!otherwise || completed) return NEXT;
    enterElse(activation);
    const flow = otherwise(activation, output);
    if (flow === NEXT) leaveElse(activation);
    return flow;
  };
}

/** The elements one after another, then undefined. */
function elements(values: Value): () => Value | undefined {
  const rest = iterate(values);
  return () => {
    spend(1);
    const result = rest.next();
    return result.done ? undefined : result.value;
  };
}

/** `for x in y if test`: a generator of the elements that pass, which the loop asks one at a time. */
function compileTest(
  variable: Expression,
  condition: Expression,
  frame: Frame,
): (outer: Activation, values: Value) => Generator<Value> {
  frame.symbols.expression(variable, true);
  frame.symbols.expression(condition);
  const enter = frame.enter();
  const target = compileTarget(variable, frame);
  const test = compileExpression(condition, frame);
  return function* (outer, values) {
    const activation = new Activation(outer.context, outer);
    enter(activation);
    const next = elements(values);
    for (let value = next(); value !== undefined; value = next()) {
      target.store(activation, value);
      if (isTrue(test(activation))) yield value;
    }
  };
}
