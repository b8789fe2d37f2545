/**
 * Unigram (Kudo 2018): finds the tokenization of a word with the highest total score, with the Viterbi algorithm in linear
 * time. The score of an unknown character is that of the worst token minus 10.
 */
import { FormatError } from '../../core/errors.ts';
import type { TokenizerSpec } from '../spec.ts';
import { PrefixIndex } from './prefixIndex.ts';
import { byteTokensOf, type TokenModel, type Vocabulary } from './tokenModel.ts';

const UNKNOWN_PENALTY = 10;
/** Buffers for longer words are released after use. */
const KEPT_UNITS = 1 << 16;

/** @throws {FormatError} for a vocabulary without scores */
export function unigramModel(spec: TokenizerSpec, { ids, find }: Vocabulary): TokenModel {
  const { scores, unknown, byteFallback = false } = spec;
  if (scores === undefined)
    throw new FormatError('tokenizer', 'a unigram vocabulary has no scores', { expected: 'scores' });
  const worst = Array.from(scores).reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY);
  const unknownScore = worst - UNKNOWN_PENALTY;
  const prefixes = new PrefixIndex(ids);
  const noToken = -1;

  let best = new Float64Array(64);
  let startOf = new Int32Array(64);
  let idOf = new Int32Array(64);
  return {
    encode(word, into) {
      const length = word.length;
      if (best.length <= length) {
        best = new Float64Array(2 * length + 2);
        startOf = new Int32Array(2 * length + 2);
        idOf = new Int32Array(2 * length + 2);
      }
      startOf.fill(-1, 0, length + 1);
      best[0] = 0;
      const propose = (end: number, start: number, id: number, score: number): void => {
        if (startOf[end] >= 0 && !(score > best[end])) return;
        best[end] = score;
        startOf[end] = start;
        idOf[end] = id;
      };
      for (let start = 0; start < length; ) {
        const next = start + (word.codePointAt(start)! > 0xffff ? 2 : 1);
        const here = best[start];
        let single = false;
        prefixes.forEach(word, start, (end, id) => {
          propose(end, start, id, here + scores[id]);
          if (end === next) single = true;
        });
        if (!single) propose(next, start, noToken, here + unknownScore);
        start = next;
      }
      const found: number[] = [];
      const isUnknown = (id: number): boolean => id === noToken || id === unknown;
      for (let end = length; end > 0; ) {
        let start = startOf[end];
        if (!isUnknown(idOf[end])) found.push(idOf[end]);
        else {
          // consecutive unknown characters become one token
          while (start > 0 && isUnknown(idOf[start])) start = startOf[start];
          const text = word.slice(start, end);
          const known = ids.get(text);
          const bytes = known === undefined && byteFallback ? byteTokensOf(text, find) : undefined;
          if (known !== undefined) found.push(known);
          else if (bytes) for (const id of bytes.reverse()) found.push(id);
          else if (unknown !== undefined) found.push(unknown);
        }
        end = start;
      }
      for (let at = found.length - 1; at >= 0; at--) into.push(found[at]);
      if (best.length > KEPT_UNITS) {
        best = new Float64Array(64);
        startOf = new Int32Array(64);
        idOf = new Int32Array(64);
      }
    },
  };
}
