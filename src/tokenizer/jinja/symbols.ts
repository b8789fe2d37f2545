/**
 * Resolves names to variables at compile time, exactly as Jinja2 does.
 *
 * Loops, macros, `with`, `filter`, `call` and `set` blocks have scopes of their own; `if` has none. A name that a
 * scope assigns is a variable of that scope from its beginning: it begins as a copy of the outer variable of that
 * name, or as undefined. So `{% for x in y %}{% set a = 1 %}{% endfor %}` leaves the outer `a` as it was, and a name
 * that the template assigns only further down is undefined in a loop above, whatever the application passed for it.
 */
import { JinjaError } from './errors.ts';
import type { Expression, Statement } from './nodes.ts';

/** A function of the compiled template: the template itself, a macro, a block … Its variables live in numbered slots. */
export class FunctionCode {
  readonly parent: FunctionCode | undefined;
  readonly #slots = new Map<string, number>();

  constructor(parent?: FunctionCode) {
    this.parent = parent;
  }

  /** Scopes at the same level share the slots of their names, as they share Python's variables. */
  slot(level: number, name: string): number {
    const key = `${level} ${name}`;
    const slot = this.#slots.get(key) ?? this.#slots.size;
    this.#slots.set(key, slot);
    return slot;
  }
}

/** Location of a variable. */
export interface Reference {
  readonly code: FunctionCode;
  readonly slot: number;
}

/** Initial value of a variable when its scope starts. */
export type Load =
  | { readonly kind: 'parameter' | 'undefined' }
  /** Looked up in the context. */
  | { readonly kind: 'resolve'; readonly name: string }
  | { readonly kind: 'alias'; readonly of: Reference };

/** Names of a scope, or the names that a branch of an `if` adds to it. */
export class Symbols {
  readonly level: number;
  readonly parent: Symbols | undefined;
  readonly code: FunctionCode;
  /** The scope that this is a branch of. */
  readonly #trunk: Symbols | undefined;
  readonly #references = new Map<string, Reference>();
  /** Initial values by slot. */
  readonly loads = new Map<number, Load>();
  readonly #stores = new Set<string>();

  constructor(code: FunctionCode, parent?: Symbols, trunk?: Symbols) {
    this.code = code;
    this.parent = parent;
    this.level = trunk ? trunk.level : parent ? parent.level + 1 : 0;
    this.#trunk = trunk;
  }

  find(name: string): Reference | undefined {
    return this.#own(name) ?? this.parent?.find(name);
  }

  #own(name: string): Reference | undefined {
    const found = this.#references.get(name);
    return found || !this.#trunk ? found : this.#trunk.#own(name);
  }

  reference(name: string): Reference {
    const found = this.find(name);
    if (!found) throw new JinjaError('TemplateAssertionError', `'${name}' cannot be used here`);
    return found;
  }

  /** All names that this scope and those around it assign, for blocks that see them. */
  storedNames(): Set<string> {
    const names = new Set(this.#stores);
    for (const name of this.parent?.storedNames() ?? []) names.add(name);
    return names;
  }

  store(name: string): void {
    this.#stores.add(name);
    if (this.#own(name)) return;
    const outer = this.parent?.find(name);
    this.#define(name, outer ? { kind: 'alias', of: outer } : { kind: 'undefined' });
  }

  declareParameter(name: string): Reference {
    this.#stores.add(name);
    return this.#define(name, { kind: 'parameter' });
  }

  load(name: string): void {
    if (!this.find(name)) this.#define(name, { kind: 'resolve', name });
  }

  #define(name: string, load: Load): Reference {
    const reference = { code: this.code, slot: this.code.slot(this.level, name) };
    this.#references.set(name, reference);
    this.loads.set(reference.slot, load);
    return reference;
  }

  #hasStored(name: string): boolean {
    return this.#stores.has(name) || (this.#trunk ? this.#trunk.#hasStored(name) : false);
  }

  /** A variable that only some branches assign keeps its outer value in the others. */
  #merge(branches: readonly Symbols[]): void {
    const stored = new Set(branches.flatMap((branch) => [...branch.#stores]).filter((name) => !this.#hasStored(name)));
    for (const branch of branches) {
      for (const [name, reference] of branch.#references) this.#references.set(name, reference);
      for (const [slot, load] of branch.loads) this.loads.set(slot, load);
      for (const name of branch.#stores) this.#stores.add(name);
    }
    for (const name of stored) {
      const outer = this.parent?.find(name);
      this.loads.set(this.reference(name).slot, outer ? { kind: 'alias', of: outer } : { kind: 'resolve', name });
    }
  }

  expression(node: Expression | undefined, asParameter = false): void {
    if (!node) return;
    if (node.type === 'name') {
      if (asParameter || node.context === 'parameter') this.declareParameter(node.name);
      else if (node.context === 'store') this.store(node.name);
      else this.load(node.name);
    } else if (node.type === 'namespaceReference') this.load(node.name);
    else if (node.type === 'tuple') for (const item of node.items) this.expression(item, asParameter);
    else for (const child of subexpressions(node)) this.expression(child);
  }

  statements(nodes: readonly Statement[]): void {
    for (const node of nodes) this.#statement(node);
  }

  #statement(node: Statement): void {
    switch (node.type) {
      case 'output':
        for (const part of node.parts) if (typeof part !== 'string') this.expression(part);
        break;
      case 'if': {
        this.expression(node.branches[0].test);
        const [first, ...others] = node.branches;
        const inBranch = (visit: (branch: Symbols) => void): Symbols => {
          const branch = new Symbols(this.code, this.parent, this);
          visit(branch);
          return branch;
        };
        this.#merge([
          inBranch((branch) => branch.statements(first.body)),
          // the elif branches share one scope, in which each is an `if` without further branches
          inBranch((branch) => {
            for (const other of others)
              branch.#statement({ type: 'if', branches: [other], otherwise: [], line: node.line });
          }),
          inBranch((branch) => branch.statements(node.otherwise)),
        ]);
        break;
      }
      case 'set':
        this.expression(node.value);
        this.expression(node.target);
        break;
      case 'setBlock':
        this.expression(node.target);
        break;
      case 'for':
        this.expression(node.iterable);
        break;
      case 'macro':
        this.store(node.name);
        break;
      case 'callBlock':
        this.expression(node.call);
        break;
      case 'filterBlock':
        this.expression(node.filter);
        break;
      case 'with':
        for (const value of node.values) this.expression(value);
        break;
      case 'otherTemplate':
        this.expression(node.template);
        for (const name of node.stores) this.store(name);
        break;
    }
  }
}

/** The expressions directly below one. */
function subexpressions(node: Expression): (Expression | undefined)[] {
  switch (node.type) {
    case 'tuple':
    case 'list':
      return [...node.items];
    case 'dict':
      return node.items.flat();
    case 'conditional':
      return [node.test, node.then, node.otherwise];
    case 'logical':
    case 'binary':
      return [node.left, node.right];
    case 'not':
    case 'sign':
      return [node.operand];
    case 'concatenation':
      return [...node.parts];
    case 'comparison':
      return [node.first, ...node.others.map(({ operand }) => operand)];
    case 'attribute':
      return [node.object];
    case 'item':
      return [node.object, node.index];
    case 'slice':
      return [node.start, node.stop, node.step];
    case 'call':
    case 'filter':
    case 'test': {
      const operand = node.type === 'call' ? node.callee : node.operand;
      return [operand, ...node.positional, ...node.named.map(([, value]) => value), node.rest, node.options];
    }
    default:
      return [];
  }
}
