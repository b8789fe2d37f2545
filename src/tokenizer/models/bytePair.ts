/** Byte-pair encoding: merges neighbours by priority. Also SentencePiece's BPE, whose priority is the score. */
import { fromByteLetters, letterOfByte } from '../byteAlphabet.ts';
import { createMergeRules, type MergeRules, unnamed } from '../merge/mergeRules.ts';
import { WordMerger } from '../merge/mergeWord.ts';
import { namedPreTokenizer } from '../preTokenizer.ts';
import type { TokenizerSpec } from '../spec.ts';
import { byteToken, byteTokensOf, type TokenModel, type Vocabulary } from './tokenModel.ts';

/** Cache of encoded words, so that frequent words are merged only once. */
const MAX_CACHED_WORDS = 1 << 14;
const MAX_CACHED_LENGTH = 64;

/** @param writesBytes words are in the byte alphabet */
export function bytePairModel(spec: TokenizerSpec, { ids, find }: Vocabulary, writesBytes: boolean): TokenModel {
  const { tokens, unknown, fuseUnknown = false } = spec;
  const ignoreMerges =
    spec.ignoreMerges ?? (typeof spec.preTokenizer === 'string' && namedPreTokenizer(spec.preTokenizer).ignoreMerges);
  const merger = new WordMerger(rulesOf(spec, ids, find));
  const cache = new Map<string, readonly number[]>();

  /** Tokens of a character that is not a token: its byte tokens if all exist, otherwise the unknown token. */
  const addUnnamed = (text: string, into: number[]): void => {
    for (const character of text) {
      const bytes = writesBytes
        ? Array.from(fromByteLetters(character), (byte) => find(letterOfByte[byte]))
        : spec.byteFallback
          ? byteTokensOf(character, find)
          : undefined;
      const known = bytes?.filter((id) => id !== undefined);
      if (known && known.length === bytes!.length) into.push(...known);
      else if (unknown !== undefined && !(fuseUnknown && into.at(-1) === unknown)) into.push(unknown);
    }
  };

  const merge = (word: string): number[] => {
    const isWhole = ignoreMerges === 'lineBreaks' ? /^\n+$/.test(word) : ignoreMerges;
    const whole = isWhole ? ids.get(word) : undefined;
    if (whole !== undefined) return [whole];
    const result: number[] = [];
    merger.merge(word, (symbol, start, end) => {
      if (symbol !== unnamed && symbol < tokens.length) result.push(symbol);
      else addUnnamed(word.slice(start, end), result);
    });
    return result;
  };

  const addWord = (word: string, into: number[]): void => {
    let found = cache.get(word);
    if (found === undefined) {
      found = merge(word);
      if (word.length <= MAX_CACHED_LENGTH) {
        if (cache.size >= MAX_CACHED_WORDS) cache.clear();
        cache.set(word, found);
      }
    }
    for (const id of found) into.push(id);
  };

  const hasAllBytes =
    spec.byteFallback === true && letterOfByte.every((_, byte) => find(byteToken(byte)) !== undefined);
  const added = new Set(spec.added.map(({ id }) => id));
  // if no token has a ▁ after another character, merges never cross one
  const wordsStandAlone =
    !writesBytes &&
    !tokens.some((text, id) => text !== undefined && /[^▁]▁/u.test(text) && !added.has(id)) &&
    tokens.some((text) => text?.startsWith('▁')) &&
    // dropping a character would make its neighbours adjacent
    (spec.unknownReplaced !== 'before' || (ids.has('▁') && (unknown !== undefined || hasAllBytes))) &&
    ignoreMerges !== true &&
    !spec.continuingPrefix &&
    !spec.wordSuffix;
  return { encode: wordsStandAlone ? (word, into) => cutAtMarks(word, (part) => addWord(part, into)) : addWord };
}

/** Splits before each ▁ that follows another character. */
function cutAtMarks(text: string, onPart: (part: string) => void): void {
  for (let start = 0; start < text.length; ) {
    let end = start;
    while (text[end] === '▁') end++;
    end = text.indexOf('▁', end);
    if (end < 0) end = text.length;
    onPart(text.slice(start, end));
    start = end;
  }
}

function rulesOf(
  spec: TokenizerSpec,
  ids: ReadonlyMap<string, number>,
  find: (text: string) => number | undefined,
): MergeRules {
  const rules = createMergeRules(spec, ids);
  const { unknown, byteFallback, fuseUnknown } = spec;
  return {
    ...rules,
    prefix: spec.continuingPrefix,
    suffix: spec.wordSuffix,
    ...(spec.unknownReplaced === 'before' && {
      fused: fuseUnknown ? unknown : undefined,
      symbolOf: (character: string) => ids.get(character) ?? unnamed,
      replacementOf: (character: string) =>
        (byteFallback ? byteTokensOf(character, find) : undefined) ?? (unknown === undefined ? [] : [unknown]),
    }),
  };
}
