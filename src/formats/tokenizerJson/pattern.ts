/** Patterns of tokenizer.json are Ruby's (Oniguruma), where ^ and $ are also the ends of each line. */
export function rubyLineEnds(pattern: string): string {
  return pattern.replace(/\\.|\$/gsu, (part) => (part === '$' ? '(?=\\n|$)' : part));
}
