/**
 * Jinja2 for chat templates, with the behaviour of transformers' sandboxed environment: `trim_blocks`, `lstrip_blocks`, loop controls and
 * `{% generation %}`. Values print and behave as in Python. The tests compare it with Python's jinja2 (test/tokenizers).
 *
 *     source → lexer → parser → compiler (names to slots, nodes to closures) → render
 *
 * Templates can access only the variables that they are given, and their work is limited.
 */
import { compileBody } from './compileStatement.ts';
import { type BlockRenderer, RenderContext } from './context.ts';
import { JinjaError } from './errors.ts';
import { Activation, compileError, type Execute, Frame, Output } from './frame.ts';
import { fromJavaScript } from './fromJavaScript.ts';
import { globals } from './globals.ts';
import { tokenize } from './lexer.ts';
import { nested, withBudget } from './limits.ts';
import type { Statement } from './nodes.ts';
import { parseTemplate } from './parseTemplate.ts';
import { FunctionCode, Symbols } from './symbols.ts';
import { noParentBlock, TemplateReference } from './templateReference.ts';
import { forgetTexts } from './text.ts';
import type { Value } from './values.ts';
import { undeclaredNames, walk } from './walk.ts';

export { JinjaError } from './errors.ts';
export { parseTemplateJson } from './readJson.ts';

export interface RenderOptions {
  /** Time for `strftime_now`. Default: now. */
  readonly now?: Date;
  /** Maximum number of steps. Default: far more than a conversation of this size needs. */
  readonly steps?: number;
}

export interface Template {
  /**
   * @param variables plain data: undefined ones do not exist, functions may be called
   * @throws {JinjaError}
   */
  render(variables: Readonly<Record<string, unknown>>, options?: RenderOptions): string;
}

const BASE_STEPS = 1_000_000;
/** Steps that each value and each character of the input adds. Some templates loop over all messages for each message. */
const STEPS_OF_VALUE = 10_000;
const STEPS_OF_CHARACTER = 20;

/** @throws {JinjaError} TemplateSyntaxError or TemplateAssertionError if the source is not valid */
export function compileTemplate(source: string): Template {
  const body = guarded(() => parseTemplate(tokenize(source)));
  const { root, blocks } = guarded(() => compile(body));
  return {
    render(variables, { now = new Date(), steps } = {}) {
      const { values, count, characters } = guarded(() => fromJavaScript(variables));
      const given = new Map<string, Value>([...globals(now), ...values]);
      const budget = steps ?? BASE_STEPS + STEPS_OF_VALUE * count + STEPS_OF_CHARACTER * characters;
      try {
        return guarded(() => withBudget(budget, () => root(new RenderContext(given, blocks, now))));
      } finally {
        forgetTexts();
      }
    },
  };
}

function compile(body: readonly Statement[]) {
  const blocks = new Map<string, BlockRenderer>();
  walk(body, (node) => {
    if (node.type !== 'block') return true;
    if (blocks.has(node.name)) throw compileError(`block '${node.name}' defined twice`, node.line);
    const execute = compileFunction(node.body, { parentOf: node.name });
    blocks.set(node.name, (context, output) => nested(() => void execute(new Activation(context), output)));
    return true;
  });
  const execute = compileFunction(body, { toplevel: true });
  const root = (context: RenderContext): string => {
    const output = new Output();
    execute(new Activation(context), output);
    return output.text();
  };
  return { root, blocks };
}

/** Compiles the template itself or a block. @param parentOf name of the block, absent for the template */
function compileFunction(
  body: readonly Statement[],
  { toplevel = false, parentOf }: { toplevel?: boolean; parentOf?: string },
): Execute {
  const frame = new Frame(new Symbols(new FunctionCode()), { toplevel });
  const undeclared = undeclaredNames(body, parentOf === undefined ? ['self'] : ['self', 'super']);
  const selfSlot = undeclared.has('self') ? frame.symbols.declareParameter('self').slot : undefined;
  const superSlot = undeclared.has('super') ? frame.symbols.declareParameter('super').slot : undefined;
  frame.symbols.statements(body);
  const enter = frame.enter();
  const execute = compileBody(body, frame);
  return (activation, output) => {
    if (selfSlot !== undefined) activation.slots[selfSlot] = new TemplateReference(activation.context);
    if (superSlot !== undefined) activation.slots[superSlot] = noParentBlock(parentOf!);
    enter(activation);
    return execute(activation, output);
  };
}

/** Converts a stack overflow to a JinjaError. */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) throw new JinjaError('RecursionError', 'it is nested too deeply');
    throw error;
  }
}
