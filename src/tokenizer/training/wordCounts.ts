/** How often each word occurs in a text that comes in pieces: all that the training of merges needs to know of it. */
import type { AddedTokens } from '../addedTokens.ts';
import type { PreTokenizer } from '../preTokenizer.ts';

export interface WordCounts {
  /** Counts the words of a piece; no word may go on from one piece to the next. */
  add(text: string): void;
  /** Each different word with its count, in the order of first sight. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Beyond so many different words, those seen once are forgotten: they win no merge, and a Map ends at 16 million. */
const MOST_WORDS = 4_000_000;

/** @param special tokens that are cut out of the text before it is split and belong to no word */
export function countWords(preTokenizer: PreTokenizer, special: AddedTokens): WordCounts {
  const counts = new Map<string, number>();
  const addSection = (section: string): void => {
    for (const word of preTokenizer.split(section)) counts.set(word, (counts.get(word) ?? 0) + 1);
  };
  return {
    counts,
    add(text) {
      special.cut(text, true, addSection, () => {});
      if (counts.size > MOST_WORDS) for (const [word, count] of counts) if (count === 1) counts.delete(word);
    },
  };
}
