/** Checks options before work starts. An unknown name or a value out of range throws; nothing is ignored. */
import { OptionError } from '../core/errors.ts';

export interface Rule {
  /** Description for errors, e.g. 'a whole number of at least 1'. */
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
}

/** Has one rule per option of `Options`, so that the compiler finds forgotten ones. */
export type Rules<Options> = { readonly [Name in keyof Required<Options>]: Rule };

/** @throws {OptionError} for a name without a rule, or a value that its rule does not accept. Undefined is always accepted */
export function checkOptions<Options extends object>(options: Options, rules: Rules<Options>): void {
  for (const [name, value] of Object.entries(options)) {
    const rule: Rule | undefined = Object.hasOwn(rules, name) ? rules[name as keyof Options] : undefined;
    if (!rule)
      throw new OptionError(`option ${name}`, shown(value), `one of the options ${Object.keys(rules).join(', ')}`);
    if (value !== undefined && !rule.accepts(value)) throw new OptionError(name, shown(value), rule.expected);
  }
}

export function wholeNumber(least: number, most = 2 ** 32 - 1): Rule {
  const expected = `a whole number from ${least} to ${most}`;
  return { expected, accepts: (value) => Number.isInteger(value) && Number(value) >= least && Number(value) <= most };
}

export function numberFrom(least: number, most = Number.MAX_VALUE): Rule {
  const expected = `a number of at least ${least}${atMost(most)}`;
  return { expected, accepts: (value) => typeof value === 'number' && value >= least && value <= most };
}

export function numberAbove(bound: number, most = Number.MAX_VALUE): Rule {
  const expected = `a number above ${bound}${atMost(most)}`;
  return { expected, accepts: (value) => typeof value === 'number' && value > bound && value <= most };
}

export function oneOf(names: readonly string[]): Rule {
  return { expected: names.map((name) => `'${name}'`).join(' or '), accepts: (value) => names.includes(String(value)) };
}

export const callback: Rule = { expected: 'a function', accepts: (value) => typeof value === 'function' };

export const trueOrFalse: Rule = { expected: 'true or false', accepts: (value) => typeof value === 'boolean' };

export const abortSignal: Rule = {
  expected: 'an AbortSignal',
  accepts: (value) => typeof value === 'object' && value !== null && 'aborted' in value && 'throwIfAborted' in value,
};

/** Formats a value for error messages. JSON has no NaN, infinity or bigint. */
function shown(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  const inner = (_: string, each: unknown) =>
    typeof each === 'bigint' || (typeof each === 'number' && !Number.isFinite(each)) ? String(each) : each;
  try {
    return (JSON.stringify(value, inner) ?? String(value)).slice(0, 80);
  } catch {
    return 'an object that contains itself';
  }
}

function atMost(most: number): string {
  return most === Number.MAX_VALUE ? '' : ` and at most ${most}`;
}
