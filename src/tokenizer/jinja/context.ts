/** Variables of one rendering: those of the application, the globals, and those that the template sets at its top level. */
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

  /** The context of a scoped block, which sees the variables around it. */
  derived(variables: ReadonlyMap<string, Value>): RenderContext {
    const context = new RenderContext(this.#given, this.blocks, this.now, new Map([...this.assigned, ...variables]));
    context.autoescape = this.autoescape;
    return context;
  }
}
