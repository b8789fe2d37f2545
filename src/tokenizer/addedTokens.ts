/** Finds added tokens in text: the leftmost, and of several at one position the longest. */
import { UnsupportedError } from '../core/errors.ts';
import type { AddedToken } from './spec.ts';
import { joiners, whiteSpace, wordCharacters } from './unicode/unicode.ts';

export interface AddedTokens {
  /**
   * Calls `onText` and `onToken` for the parts of the text in order.
   * @param special true to find special tokens too; other added tokens are always found
   */
  cut(
    text: string,
    special: boolean,
    onText: (section: string, start: number) => void,
    onToken: (id: number) => void,
  ): void;
}

interface Branch {
  readonly next: Map<number, Branch>;
  token?: AddedToken;
}

/** Maximum length of an added token, because longer ones would be slow to find. Real ones have tens of characters. */
const MAX_LENGTH = 1024;

/**
 * @param textOf returns the form of a token in the text
 * @param stripped white space that `lstrip` and `rstrip` take
 * @throws {UnsupportedError} for an added token of more than 1,024 characters
 */
export function createAddedTokens(
  added: readonly AddedToken[],
  textOf: (id: number) => string | undefined,
  stripped: 'unicode' | 'ascii' = 'unicode',
): AddedTokens {
  const root: Branch = { next: new Map() };
  const lengths = new Map<number, number>();
  for (const token of added) {
    const text = textOf(token.id);
    if (text === undefined || text === '') continue;
    if (text.length > MAX_LENGTH) throw new UnsupportedError('an added token of', `${text.length} characters`);
    lengths.set(token.id, text.length);
    let branch = root;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      let next = branch.next.get(unit);
      if (next === undefined) branch.next.set(unit, (next = { next: new Map() }));
      branch = next;
    }
    branch.token ??= token;
  }

  const isSpace =
    stripped === 'ascii'
      ? (unit: number): boolean => unit === 32 || (unit >= 9 && unit <= 13)
      : (unit: number): boolean => whiteSpace.has(unit);

  const tokenAt = (text: string, start: number, special: boolean): AddedToken | undefined => {
    let found: AddedToken | undefined;
    let branch = root.next.get(text.charCodeAt(start));
    for (let at = start + 1; branch !== undefined; at++) {
      const { token } = branch;
      if (token !== undefined && (special || !token.special)) found = token;
      branch = at < text.length ? branch.next.get(text.charCodeAt(at)) : undefined;
    }
    return found;
  };

  return {
    cut(text, special, onText, onToken) {
      let done = 0;
      for (let at = 0; at < text.length; ) {
        const token = tokenAt(text, at, special);
        if (token === undefined) {
          at++;
          continue;
        }
        const end = at + lengths.get(token.id)!;
        if (token.singleWord && touchesWord(text, at, end)) {
          at = end;
          continue;
        }
        let sectionEnd = at;
        if (token.lstrip) while (sectionEnd > done && isSpace(text.charCodeAt(sectionEnd - 1))) sectionEnd--;
        if (sectionEnd > done) onText(text.slice(done, sectionEnd), done);
        onToken(token.id);
        done = end;
        if (token.rstrip) while (done < text.length && isSpace(text.charCodeAt(done))) done++;
        at = done;
      }
      if (done < text.length) onText(text.slice(done), done);
    },
  };
}

function touchesWord(text: string, start: number, end: number): boolean {
  const before = Array.from(text.slice(Math.max(0, start - 2), start)).at(-1);
  return [before, text.slice(end, end + 2)].some((side) => {
    const codePoint = side?.codePointAt(0);
    return codePoint !== undefined && (wordCharacters().has(codePoint) || joiners.has(codePoint));
  });
}
