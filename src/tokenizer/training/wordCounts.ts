/** Counts the words of a text that arrives in pieces. Merges are trained on these counts only. */
import type { AddedTokens } from '../addedTokens.ts';
import type { PreTokenizer } from '../preTokenizer.ts';

export interface WordCounts {
  /** Counts the words of a piece. Words must not cross pieces. */
  add(text: string): void;
  /** Distinct words with their counts, in the order of first occurrence. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Maximum distinct words. Beyond it, words with count 1 are dropped: they win no merge, and a Map holds 16 million. */
const MOST_WORDS = 4_000_000;

/** @param special tokens that are removed from the text before it is split into words */
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
