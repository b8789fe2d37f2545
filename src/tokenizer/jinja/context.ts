/** Variables of a rendering: the application's, the globals, and those set at the template's top level. */
import type { Output } from './frame.ts';
import type { Value } from './values.ts';

export type BlockRenderer = (context: RenderContext, output: Output) => void;

export class RenderContext {
  readonly #given: ReadonlyMap<string, Value>;
  readonly assigned: Map<string, Value>;
  readonly blocks: ReadonlyMap<string, BlockRenderer>;
  readonly now: Date;
  /** True inside `{% autoescape true %}`: output is escaped as HTML. */
  autoescape = false;

  constructor(
    given: ReadonlyMap<string, Value>,
    blocks: ReadonlyMap<string, BlockRenderer>,
    now: Date,
    assigned: ReadonlyMap<string, Value> = new Map(),
  ) {
    this.#given = given;
    this.blocks = blocks;
    this.now = now;
    this.assigned = new Map(assigned);
  }

  resolve(name: string): Value | undefined {
    // null is Python's None, which is a value
    const value = this.assigned.get(name);
    return value === undefined ? this.#given.get(name) : value;
  }

  /** Context of a scoped block, which can read the variables around it. */
  derived(variables: ReadonlyMap<string, Value>): RenderContext {
    const context = new RenderContext(this.#given, this.blocks, this.now, new Map([...this.assigned, ...variables]));
    context.autoescape = this.autoescape;
    return context;
  }
}
