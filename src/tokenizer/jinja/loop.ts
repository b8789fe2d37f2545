/** The variable `loop`. It reads one element ahead only for `loop.last` and `loop.nextitem`. */
import { signature } from './call.ts';
import { equal } from './compare.ts';
import { typeError } from './errors.ts';
import { iterate } from './iterate.ts';
import { spend } from './limits.ts';
import { lengthOf } from './text.ts';
import { Builtin, isString, PyObject, stringValue, Undefined, type Value } from './values.ts';

/** Renders the body of a recursive loop for another iterable and returns the text. */
export type Recurse = (iterable: Value, depth: number) => Value;

const iterableOnly = signature('__call__', 'iterable');

export class LoopContext extends PyObject {
  readonly typeName = 'LoopContext';
  readonly #iterable: Value;
  #iterator: Iterator<Value>;
  readonly #recurse: Recurse | undefined;
  readonly #depth0: number;
  #index0 = -1;
  #length: number | undefined;
  /** The element that has been read ahead. */
  #after: IteratorResult<Value> | undefined;
  #current: Value | undefined;
  #before: Value | undefined;
  #changedValue: readonly Value[] | undefined;

  constructor(iterable: Value, recurse?: Recurse, depth0 = 0) {
    super();
    this.#iterable = iterable;
    this.#iterator = iterate(iterable);
    this.#recurse = recurse;
    this.#depth0 = depth0;
  }

  /** Returns the next element, or undefined at the end. */
  next(): Value | undefined {
    spend(2);
    const found = this.#after ?? this.#iterator.next();
    this.#after = undefined;
    if (found.done) return undefined;
    this.#index0++;
    this.#before = this.#current;
    this.#current = found.value;
    return found.value;
  }

  override repr(): string {
    return `<LoopContext ${this.#index0 + 1}/${this.length()}>`;
  }

  override length(): number {
    this.#length ??= this.#knownLength() ?? this.#countedLength();
    return this.#length;
  }

  #knownLength(): number | undefined {
    const iterable = this.#iterable;
    if (Array.isArray(iterable)) return iterable.length;
    if (isString(iterable)) return lengthOf(stringValue(iterable));
    return iterable !== null && typeof iterable === 'object' ? (iterable as PyObject).length?.() : undefined;
  }

  /** Counts the elements of a generator by reading it to its end. */
  #countedLength(): number {
    const rest: Value[] = [];
    for (let result = this.#iterator.next(); !result.done; result = this.#iterator.next()) {
      spend(1);
      rest.push(result.value);
    }
    this.#iterator = rest.values();
    return rest.length + this.#index0 + 1 + (this.#after && !this.#after.done ? 1 : 0);
  }

  #peek(): IteratorResult<Value> {
    this.#after ??= this.#iterator.next();
    return this.#after;
  }

  override attribute(name: string): Value | undefined {
    switch (name) {
      case 'index0':
        return this.#index0;
      case 'index':
        return this.#index0 + 1;
      case 'revindex0':
        return this.length() - this.#index0 - 1;
      case 'revindex':
        return this.length() - this.#index0;
      case 'length':
        return this.length();
      case 'first':
        return this.#index0 === 0;
      case 'last':
        return Boolean(this.#peek().done);
      case 'depth0':
        return this.#depth0;
      case 'depth':
        return this.#depth0 + 1;
      case 'previtem':
        return this.#index0 === 0 ? new Undefined(() => 'there is no previous item') : this.#before;
      case 'nextitem': {
        const next = this.#peek();
        return next.done ? new Undefined(() => 'there is no next item') : next.value;
      }
      case 'cycle':
        return new Builtin('cycle', ({ positional }) => {
          if (positional.length === 0) throw typeError('no items for cycling given');
          return positional[this.#index0 % positional.length];
        });
      case 'changed':
        return new Builtin('changed', ({ positional }) => this.#changed(positional));
      default:
        return undefined;
    }
  }

  #changed(values: readonly Value[]): boolean {
    const last = this.#changedValue;
    const same =
      last?.length === values.length && values.every((value, i) => value === last[i] || equal(value, last[i]));
    if (!same) this.#changedValue = values;
    return !same;
  }

  override call(args: Parameters<typeof iterableOnly>[0]): Value {
    if (!this.#recurse) throw typeError("The loop must have the 'recursive' marker to be called recursively.");
    const [iterable] = iterableOnly(args);
    return this.#recurse(iterable!, this.#depth0 + 1);
  }
}
