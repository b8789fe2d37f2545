/** Encodes the beginning of a text. */
import type { EncodeOptions, Tokenizer } from './tokenizer.ts';

/** Characters that are encoded for each id at first. */
const CHARACTERS = 8;
/** Ids behind the wanted ones. The end of a piece may have other ids than the same place within the whole text. */
const MARGIN = 512;

/**
 * Returns the first `count` ids of a text, fewer if it is shorter. Encodes a piece of the text that has enough of them, so that a text of
 * any length takes little memory.
 */
export function firstIds(tokenizer: Tokenizer, text: string, count: number, options: EncodeOptions): number[] {
  for (let length = CHARACTERS * (count + MARGIN); length < text.length; length *= 2) {
    const ids = tokenizer.encode(text.slice(0, length), options);
    if (ids.length >= count + MARGIN) return ids.slice(0, count);
  }
  return tokenizer.encode(text, options).slice(0, count);
}
