/** WordPiece (BERT): repeatedly takes the longest token that is a prefix of the rest of the word. Also whole-word models. */
import type { TokenizerSpec } from '../spec.ts';
import { PrefixIndex } from './prefixIndex.ts';
import type { TokenModel } from './tokenModel.ts';

/** A word without a complete tokenization, or too long, becomes the unknown token. */
export function wordPieceModel(spec: TokenizerSpec, ids: ReadonlyMap<string, number>): TokenModel {
  const { unknown, continuingPrefix: prefix = '##', maxWordLength = 100 } = spec;
  const initial = new PrefixIndex(ids);
  const continuing = prefix === '' ? initial : new PrefixIndex(ids, prefix);

  const piecesOf = (word: string): number[] | undefined => {
    const pieces: number[] = [];
    for (let start = 0; start < word.length; ) {
      let [end, found] = [start, -1];
      (start > 0 ? continuing : initial).forEach(word, start, (to, id) => {
        [end, found] = [to, id];
      });
      if (found < 0) return undefined;
      pieces.push(found);
      start = end;
    }
    return pieces;
  };
  return {
    encode(word, into) {
      const tooLong = word.length > maxWordLength && Array.from(word).length > maxWordLength;
      const pieces = tooLong ? undefined : piecesOf(word);
      if (pieces) for (const piece of pieces) into.push(piece);
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
