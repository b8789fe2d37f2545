/** Errors as single lines, in the words of the command line. */
import type { Command } from 'commander';
import { OptionError } from '../index.ts';

/** Formats an error as one line. An option that the command calls by another name than the API is named as its flag. */
export function describeError(error: unknown, command?: Command): string {
  if (error instanceof OptionError && command) {
    const { option, found, expected } = error.data as Readonly<Record<'option' | 'found' | 'expected', unknown>>;
    const flag = flagOf(String(option), command);
    if (flag) return oneLine(`${flag} is ${String(found)}, expected ${String(expected)}`);
  }
  const text = error instanceof Error ? error.message || error.name : String(error);
  return oneLine(text);
}

export function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ');
}

/** 'maxTokens' → '--tokens', where the command has such an option; undefined if the flag has the API's name. */
function flagOf(option: string, command: Command): string | undefined {
  const short = option.replace(/^max([A-Z])/, (_, letter: string) => letter.toLowerCase());
  if (short === option || command.options.some((each) => each.attributeName() === option)) return undefined;
  return command.options.find((each) => each.attributeName() === short)?.long ?? undefined;
}
