/** Variables of one rendering: what the application passed, the globals, and what the template assigned at its top level. */
import type { Output } from './frame.ts';
import type { Value } from './values.ts';

export type BlockRenderer = (context: RenderContext, output: Output) => void;

export class RenderContext {
  readonly #given: ReadonlyMap<string, Value>;
  readonly assigned: Map<string, Value>;
  readonly blocks: ReadonlyMap<string, BlockRenderer>;
  readonly now: Date;
  /** Text is escaped as HTML, in `{% autoescape true %}`. */
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
    // none is a value
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
