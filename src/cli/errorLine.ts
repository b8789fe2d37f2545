/** Formats an error as one line. */
export function describeError(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return oneLine(text);
}

export function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ');
}

/** 'maxTokens' → '--tokens', where the command has such an option; undefined where the flag has the API's name. */
function flagOf(option: string, command: Command): string | undefined {
  const short = option.replace(/^max([A-Z])/, (_, letter: string) => letter.toLowerCase());
  if (short === option || command.options.some((each) => each.attributeName() === option)) return undefined;
  return command.options.find((each) => each.attributeName() === short)?.long ?? undefined;
}
