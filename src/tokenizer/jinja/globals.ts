/** Functions and classes that every template can use. */
import { signature } from './call.ts';
import { JinjaError, typeError, valueError } from './errors.ts';
import { iterateForward } from './iterate.ts';
import { spend } from './limits.ts';
import { repr, str } from './repr.ts';
import { strftime } from './strftime.ts';
import {
  type Arguments,
  Builtin,
  Dict,
  indexOf,
  isString,
  PyObject,
  Range,
  stringValue,
  Undefined,
  type Value,
} from './values.ts';

const MAX_RANGE = 100_000;

export function globals(now: Date): Map<string, Value> {
  return new Map<string, Value>([
    ['range', new Builtin('range', makeRange)],
    ['dict', new DictClass()],
    ['namespace', new Builtin('namespace', (args) => new Namespace(makeDict(args)))],
    ['cycler', new Builtin('cycler', ({ positional }) => new Cycler(positional))],
    ['joiner', new Builtin('joiner', (args) => new Joiner(str(joinerArguments(args)[0] ?? ', ')))],
    [
      'lipsum',
      new Builtin('lipsum', () => {
        throw new JinjaError('TemplateRuntimeError', 'lipsum() is not supported');
      }),
    ],
    [
      'raise_exception',
      new Builtin('raise_exception', (args) => {
        throw new JinjaError('TemplateError', str(messageOnly(args)[0]!));
      }),
    ],
    [
      'strftime_now',
      new Builtin('strftime_now', (args) => {
        const [format] = formatOnly(args);
        if (!isString(format!)) throw typeError('strftime() argument 1 must be str');
        return strftime(now, stringValue(format));
      }),
    ],
  ]);
}

const joinerArguments = signature('joiner', 'sep?');
const messageOnly = signature('raise_exception', 'message');
const formatOnly = signature('strftime_now', 'format');
const rangeArguments = signature('range', '/', 'start', 'stop?', 'step?');

function makeRange(args: Arguments): Range {
  const given = rangeArguments(args)
    .filter((value) => value !== undefined)
    .map(indexOf);
  const [start, stop] = given.length === 1 ? [0, given[0]] : given;
  const step = given[2] ?? 1;
  if (step === 0) throw valueError('range() arg 3 must not be zero');
  const range = new Range(start, stop, step);
  if (range.count > MAX_RANGE)
    throw new JinjaError(
      'OverflowError',
      `Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE}).`,
    );
  return range;
}

/** dict(mapping or pairs, **named) */
function makeDict({ positional, named }: Arguments): Dict {
  if (positional.length > 1) throw typeError(`dict expected at most 1 argument, got ${positional.length}`);
  const made = new Dict();
  const [first] = positional;
  if (first instanceof Undefined) throw first.error();
  if (first instanceof Dict) {
    spend(first.size);
    for (const [key, value] of first.entries()) made.set(key, value);
  } else if (first !== undefined) {
    for (const pair of iterateForward(first)) {
      const items = [...iterateForward(pair)];
      if (items.length !== 2)
        throw valueError(`dictionary update sequence element has length ${items.length}; 2 is required`);
      made.set(items[0], items[1]);
    }
  }
  for (const [name, value] of named) made.set(name, value);
  return made;
}

class DictClass extends PyObject {
  readonly typeName = 'type';

  override attribute(name: string): Value | undefined {
    if (name !== 'fromkeys') return undefined;
    return new Builtin(
      'fromkeys',
      ({ positional: [keys = null, value = null] }) =>
        new Dict([...iterateForward(keys)].map((key) => [key, value] as const)),
    );
  }

  override call(args: Arguments): Value {
    return makeDict(args);
  }
}

/** namespace(): an object whose attributes `set` can change, so that a loop can assign variables outside of it. */
export class Namespace extends PyObject {
  readonly typeName = 'Namespace';
  readonly #attributes: Dict;

  constructor(attributes: Dict) {
    super();
    this.#attributes = attributes;
    for (const name of attributes.keys()) checkAttribute(name);
  }

  override repr(): string {
    return `<Namespace ${repr(this.#attributes)}>`;
  }

  override attribute(name: string): Value | undefined {
    return this.#attributes.get(name);
  }

  set(name: string, value: Value): void {
    checkAttribute(name);
    this.#attributes.set(name, value);
  }
}

/** transformers' sandbox refuses such names. */
function checkAttribute(name: Value): void {
  if (typeof name === 'string' && name.startsWith('_'))
    throw new JinjaError(
      'SecurityError',
      `a namespace cannot have attributes that begin with an underscore: '${name}'`,
    );
}

class Cycler extends PyObject {
  readonly typeName = 'Cycler';
  readonly #items: readonly Value[];
  #at = 0;

  constructor(items: readonly Value[]) {
    super();
    if (items.length === 0) throw new JinjaError('TemplateRuntimeError', 'at least one item has to be provided');
    this.#items = items;
  }

  override attribute(name: string): Value | undefined {
    switch (name) {
      case 'current':
        return this.#items[this.#at];
      case 'pos':
        return this.#at;
      case 'next':
        return new Builtin('next', () => {
          const current = this.#items[this.#at];
          this.#at = (this.#at + 1) % this.#items.length;
          return current;
        });
      case 'reset':
        return new Builtin('reset', () => {
          this.#at = 0;
          return null;
        });
      default:
        return undefined;
    }
  }
}

class Joiner extends PyObject {
  readonly typeName = 'Joiner';
  readonly #separator: string;
  #used = false;

  constructor(separator: string) {
    super();
    this.#separator = separator;
  }

  override call(): Value {
    const text = this.#used ? this.#separator : '';
    this.#used = true;
    return text;
  }
}
