/** Helpers to define filters. */
import { type FilterFunction, signature } from '../call.ts';
import type { RenderContext } from '../context.ts';
import { typeError } from '../errors.ts';
import { indexOf, isString, isTrue, Markup, stringValue, typeName, Undefined, type Value } from '../values.ts';

export type Filters = readonly (readonly [name: string, filter: FilterFunction])[];
type Run = (value: Value, given: (Value | undefined)[], context: RenderContext) => Value;

/** @param parameters as `signature` has them */
export function filter(name: string, parameters: readonly string[], run: Run): readonly [string, FilterFunction] {
  const bind = signature(name, ...parameters);
  return [name, (context, value, args) => run(value, bind(args), context)];
}

export function flag(value: Value | undefined): boolean {
  return value !== undefined && isTrue(value);
}

export function optionalInt(value: Value | undefined, otherwise: number): number {
  return value === undefined ? otherwise : indexOf(value);
}

export function text(value: Value): string {
  if (isString(value)) return stringValue(value);
  if (value instanceof Undefined) throw value.error();
  throw typeError(`expected a str, got ${typeName(value)}`);
}

/** Returns `made` as Markup if `value` is Markup. */
export function like(value: Value, made: string): Value {
  return value instanceof Markup ? new Markup(made) : made;
}
