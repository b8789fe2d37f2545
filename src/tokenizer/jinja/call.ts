/** Calls and signatures. */
import type { RenderContext } from './context.ts';
import { typeError } from './errors.ts';
import { spend } from './limits.ts';
import { type Arguments, typeName, Undefined, type Value } from './values.ts';

export type FilterFunction = (context: RenderContext, value: Value, args: Arguments) => Value;
export type TestFunction = (value: Value, args: Arguments) => boolean;

export function callValue(callee: Value, args: Arguments): Value {
  spend(1);
  if (callee instanceof Undefined) throw callee.error();
  if (callee !== null && typeof callee === 'object' && !Array.isArray(callee) && callee.call) return callee.call(args);
  throw typeError(`'${typeName(callee)}' object is not callable`);
}

/** Returns the arguments in the order of the parameters. Optional arguments that are not given are undefined. */
export type Signature = (args: Arguments) => (Value | undefined)[];

/**
 * @param parameters names in order; `name?` is optional. If '/' comes first, all are positional-only
 * @returns a function that throws a JinjaError (TypeError) for wrong arguments
 */
export function signature(name: string, ...parameters: readonly string[]): Signature {
  const byPositionOnly = parameters[0] === '/';
  const names = parameters.filter((parameter) => parameter !== '/').map((parameter) => parameter.replace('?', ''));
  const required = parameters.filter((parameter) => parameter !== '/' && !parameter.endsWith('?')).length;
  return ({ positional, named }) => {
    if (positional.length > names.length)
      throw typeError(`${name}() takes at most ${names.length} arguments (${positional.length} given)`);
    const values: (Value | undefined)[] = [...positional];
    for (const [key, value] of named) {
      const at = names.indexOf(key);
      if (byPositionOnly || at < 0) throw typeError(`${name}() got an unexpected keyword argument '${key}'`);
      if (at < positional.length) throw typeError(`${name}() got multiple values for argument '${key}'`);
      values[at] = value;
    }
    for (let i = 0; i < required; i++)
      if (values[i] === undefined) throw typeError(`${name}() missing a required argument: '${names[i]}'`);
    values.length = names.length;
    return values;
  };
}
