/** Option `--var name=value` of commands that use a chat template. */
import { InvalidArgumentError } from 'commander';

/** Adds a variable to those given before. The value is JSON (`false`, `3`, `"text"`) or else text. */
export function templateVariable(
  text: string,
  before: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError('Expected name=value.');
  return { ...before, [name]: parsed(value) };
}

function parsed(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
