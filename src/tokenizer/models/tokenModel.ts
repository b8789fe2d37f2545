/** Encodes one word of a text to tokens. One file per kind. */
import type { TokenizerSpec } from '../spec.ts';
import { bytePairModel } from './bytePair.ts';
import { unigramModel } from './unigram.ts';
import { wordLevelModel, wordPieceModel } from './wordPiece.ts';

export interface TokenModel {
  /** Appends the ids of a word. */
  encode(word: string, into: number[]): void;
}

/** @param ids tokens that ordinary text may become, by text */
export function createModel(spec: TokenizerSpec, ids: ReadonlyMap<string, number>, writesBytes: boolean): TokenModel {
  switch (spec.kind) {
    case 'bpe':
    case 'spm':
      return bytePairModel(spec, ids, writesBytes);
    case 'unigram':
      return unigramModel(spec, ids);
    case 'wordpiece':
      return wordPieceModel(spec, ids);
    case 'wordlevel':
      return wordLevelModel(spec, ids);
  }
}

/** 10 → "<0x0A>" */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

const encoder = new TextEncoder();

/** Returns the byte tokens of a character; undefined if one of them is missing. */
export function byteTokensOf(text: string, find: (token: string) => number | undefined): number[] | undefined {
  const ids = Array.from(encoder.encode(text), (byte) => find(byteToken(byte)));
  return ids.every((id) => id !== undefined) ? ids : undefined;
}

/** Looks up any token by its text, special ones included. */
export function tokenFinder(tokens: TokenizerSpec['tokens']): (text: string) => number | undefined {
  const ids = new Map<string, number>();
  tokens.forEach((text, id) => {
    if (text !== undefined && !ids.has(text)) ids.set(text, id);
  });
  return (text) => ids.get(text);
}
