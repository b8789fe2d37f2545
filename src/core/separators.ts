/**
 * What stands between the documents of a text. One of line breaks alone stands only where there are exactly so many: '\n'
 * parts stories whose paragraphs are parted by '\n\n'.
 */

/** The next separator at or after `from`; not one that the text to come may still lengthen. */
export type FindSeparator = (text: string, from: number, atEnd: boolean) => { start: number; end: number } | undefined;

export function separatorFinder(separator: string): FindSeparator {
  const { length } = separator;
  if (!/^\n+$/.test(separator)) {
    return (text, from) => {
      const start = text.indexOf(separator, from);
      return start < 0 ? undefined : { start, end: start + length };
    };
  }
  return (text, from, atEnd) => {
    for (let start = text.indexOf('\n', from); start >= 0; ) {
      let end = start;
      while (text[end] === '\n') end++;
      if (end === text.length && !atEnd) return undefined;
      if (end - start === length) return { start, end };
      start = text.indexOf('\n', end);
    }
    return undefined;
  };
}

/** The documents of a text that is at hand, without the white space around them, and without those that are empty. */
export function documentsOf(text: string, separator: string): string[] {
  const find = separatorFinder(separator);
  const documents: string[] = [];
  let from = 0;
  for (let found = find(text, 0, true); found; found = find(text, from, true)) {
    documents.push(text.slice(from, found.start));
    from = found.end;
  }
  return [...documents, text.slice(from)].map((document) => document.trim()).filter((document) => document !== '');
}
