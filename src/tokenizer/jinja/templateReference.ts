/** The variable `self`, whose attributes are the template's blocks. */
import type { RenderContext } from './context.ts';
import { Output } from './frame.ts';
import { Builtin, Markup, PyObject, Undefined, type Value } from './values.ts';

export class TemplateReference extends PyObject {
  readonly typeName = 'TemplateReference';
  readonly #context: RenderContext;

  constructor(context: RenderContext) {
    super();
    this.#context = context;
  }

  override repr(): string {
    return '<TemplateReference None>';
  }

  override attribute(name: string): Value | undefined {
    const block = this.#context.blocks.get(name);
    if (!block) return undefined;
    return new Builtin(name, () => {
      const output = new Output();
      block(this.#context, output);
      return this.#context.autoescape ? new Markup(output.text()) : output.text();
    });
  }
}

/** The variable `super` of a block. Without parent templates it is always undefined. */
export function noParentBlock(name: string): Undefined {
  return new Undefined(() => `there is no parent block called '${name}'.`);
}
