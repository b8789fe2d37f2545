/** Finds added tokens in text: the leftmost first, of several at one place the longest. */
import { UnsupportedError } from '../core/errors.ts';
import type { AddedToken } from './spec.ts';

export interface AddedTokens {
  /**
   * Calls `onText` and `onToken` for the parts of the text in order.
   * @param special whether special tokens count; others always do
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

/** A longer one would make finding it slow; real ones have tens of characters. */
const MAX_LENGTH = 1024;

/** @throws {UnsupportedError} for an added token of more than 1,024 characters */
export function createAddedTokens(added: readonly AddedToken[], tokens: readonly string[]): AddedTokens {
  const root: Branch = { next: new Map() };
  for (const token of added) {
    const text = tokens[token.id];
    if (text === undefined || text === '') continue;
    if (text.length > MAX_LENGTH) throw new UnsupportedError('an added token of', `${text.length} characters`);
    let branch = root;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      let next = branch.next.get(unit);
      if (next === undefined) branch.next.set(unit, (next = { next: new Map() }));
      branch = next;
    }
    branch.token ??= token;
  }

  const tokenAt = (text: string, start: number, special: boolean): AddedToken | undefined => {
    let found: AddedToken | undefined;
    let branch = root.next.get(text.charCodeAt(start));
    for (let at = start + 1; branch !== undefined; at++) {
      const { token } = branch;
      if (token !== undefined && (special || !token.special) && !(token.singleWord && touchesWord(text, start, at)))
        found = token;
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
        const end = at + tokens[token.id].length;
        let sectionEnd = at;
        if (token.lstrip) while (sectionEnd > done && isSpace(text[sectionEnd - 1])) sectionEnd--;
        if (sectionEnd > done) onText(text.slice(done, sectionEnd), done);
        onToken(token.id);
        done = end;
        if (token.rstrip) while (done < text.length && isSpace(text[done])) done++;
        at = done;
      }
      if (done < text.length) onText(text.slice(done), done);
    },
  };
}

/** ASCII's, as in llama.cpp; Hugging Face takes Unicode's too. */
function isSpace(character: string): boolean {
  return /[\t-\r ]/.test(character);
}

function touchesWord(text: string, start: number, end: number): boolean {
  return (
    /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]$/u.test(text.slice(Math.max(0, start - 2), start)) ||
    /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u.test(text.slice(end, end + 2))
  );
}
