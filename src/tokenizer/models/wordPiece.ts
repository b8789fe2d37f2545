/** WordPiece (BERT): repeatedly takes the longest token that is a prefix of the rest of the word. Also whole-word models. */
import type { TokenizerSpec } from '../spec.ts';
import type { TokenModel } from './tokenModel.ts';

/** A word without a complete tokenization, or too long, becomes the unknown token. */
export function wordPieceModel(spec: TokenizerSpec, ids: ReadonlyMap<string, number>): TokenModel {
  const { unknown, continuingPrefix: prefix = '##', maxWordLength = 100 } = spec;
  let longest = 0;
  for (const text of ids.keys()) longest = Math.max(longest, text.length);

  const piecesOf = (word: string): number[] | undefined => {
    const pieces: number[] = [];
    for (let start = 0; start < word.length; ) {
      let found: number | undefined;
      const lead = start > 0 ? prefix : '';
      let end = Math.min(word.length, start + longest - lead.length);
      for (; end > start; end--) {
        found = ids.get(lead + word.slice(start, end));
        if (found !== undefined) break;
      }
      if (found === undefined) return undefined;
      pieces.push(found);
      start = end;
    }
    return pieces;
  };
  return {
    encode(word, into) {
      const tooLong = word.length > maxWordLength && Array.from(word).length > maxWordLength;
      const pieces = tooLong ? undefined : piecesOf(word);
      if (pieces) into.push(...pieces);
      else if (unknown !== undefined) into.push(unknown);
    },
  };
}

export function wordLevelModel({ unknown }: TokenizerSpec, ids: ReadonlyMap<string, number>): TokenModel {
  return {
    encode(word, into) {
      const id = ids.get(word) ?? unknown;
      if (id !== undefined) into.push(id);
    },
  };
}
