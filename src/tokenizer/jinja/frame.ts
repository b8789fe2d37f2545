/** Compile-time frames and run-time activations of the compiled functions. */
import type { RenderContext } from './context.ts';
import { JinjaError } from './errors.ts';
import { checkLength } from './limits.ts';
import { FunctionCode, type Load, type Reference, Symbols } from './symbols.ts';
import { Undefined, type Value } from './values.ts';

/** Variables of a running function. An empty slot (undefined) is a variable without a value. */
export class Activation {
  readonly slots: (Value | undefined)[] = [];
  readonly context: RenderContext;
  readonly parent: Activation | undefined;

  constructor(context: RenderContext, parent?: Activation) {
    this.context = context;
    this.parent = parent;
  }
}

/** Collects the rendered text. */
export class Output {
  readonly #parts: string[] = [];
  #length = 0;

  write(text: string): void {
    this.#length += text.length;
    checkLength(this.#length);
    this.#parts.push(text);
  }

  text(): string {
    return this.#parts.join('');
  }
}

export type Evaluate = (activation: Activation) => Value;

/** Control flow after a statement: next statement, next iteration (continue), or end of the loop (break). */
export const NEXT = 0;
export const CONTINUE = 1;
export const BREAK = 2;
export type Flow = typeof NEXT | typeof CONTINUE | typeof BREAK;
export type Execute = (activation: Activation, output: Output) => Flow;

/** HTML escaping of the enclosing `autoescape` block. 'dynamic': depends on a variable. */
export type Autoescape = boolean | 'dynamic';

export class Frame {
  readonly symbols: Symbols;
  /** True at the top level, where blocks see the assignments. */
  readonly toplevel: boolean;
  /** In a branch of an `if`: unknown filters and tests are an error only where they are used. */
  readonly soft: boolean;
  /** True inside a loop, where `break` and `continue` are valid. */
  readonly inLoop: boolean;
  readonly autoescape: Autoescape;

  constructor(symbols: Symbols, of: Partial<Omit<Frame, 'symbols'>> = {}) {
    this.symbols = symbols;
    this.toplevel = of.toplevel ?? false;
    this.soft = of.soft ?? false;
    this.inLoop = of.inLoop ?? false;
    this.autoescape = of.autoescape ?? false;
  }

  get code(): FunctionCode {
    return this.symbols.code;
  }

  /** A scope within this one. */
  inner(): Frame {
    return this.innerIn(this.code, this.inLoop);
  }

  /** The scope of a function within this one. */
  innerFunction(): Frame {
    return this.innerIn(new FunctionCode(this.code), false);
  }

  /** A scope within this one whose variables live in the given function. */
  innerIn(code: FunctionCode, inLoop: boolean): Frame {
    return new Frame(new Symbols(code, this.symbols), { autoescape: this.autoescape, inLoop });
  }

  /** The same scope, in a branch. */
  branch(): Frame {
    return this.#with({ soft: true });
  }

  withAutoescape(autoescape: Autoescape): Frame {
    return this.#with({ autoescape });
  }

  #with(changes: Partial<Omit<Frame, 'symbols'>>): Frame {
    const { toplevel, soft, inLoop, autoescape } = this;
    return new Frame(this.symbols, { toplevel, soft, inLoop, autoescape, ...changes });
  }

  /** Initializes the variables of the scope. */
  enter(): (activation: Activation) => void {
    const steps = [...this.symbols.loads]
      .map(([slot, load]) => this.#entering(slot, load))
      .filter((step) => step !== undefined);
    return (activation) => {
      for (const step of steps) step(activation);
    };
  }

  #entering(slot: number, load: Load): ((activation: Activation) => void) | undefined {
    switch (load.kind) {
      case 'parameter':
        return undefined;
      case 'undefined':
        return ({ slots }) => {
          slots[slot] = undefined;
        };
      case 'resolve':
        return ({ slots, context }) => {
          slots[slot] = context.resolve(load.name);
        };
      case 'alias': {
        const read = this.reader(load.of);
        return (activation) => {
          activation.slots[slot] = read(activation);
        };
      }
    }
  }

  /** Clears the variables of the scope. */
  leave(): (activation: Activation) => void {
    const slots = [...this.symbols.loads.keys()];
    return (activation) => {
      for (const slot of slots) activation.slots[slot] = undefined;
    };
  }

  reader({ code, slot }: Reference): (activation: Activation) => Value | undefined {
    let hops = 0;
    for (let at: FunctionCode | undefined = this.code; at !== code; at = at?.parent) {
      if (!at) throw new Error('a variable of a function that is not around this one');
      hops++;
    }
    if (hops === 0) return ({ slots }) => slots[slot];
    return (activation) => {
      let at = activation;
      for (let i = 0; i < hops; i++) at = at.parent!;
      return at.slots[slot];
    };
  }

  variable(name: string): Evaluate {
    const read = this.reader(this.symbols.reference(name));
    return (activation) => {
      const value = read(activation);
      return value === undefined ? new Undefined(() => `'${name}' is undefined`) : value;
    };
  }
}

export function compileError(message: string, line: number): JinjaError {
  return new JinjaError('TemplateAssertionError', message, line);
}
