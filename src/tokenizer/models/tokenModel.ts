/** Encodes one word of a text to tokens. One file per kind. */
import type { TokenizerSpec } from '../spec.ts';
import { bytePairModel } from './bytePair.ts';
import { unigramModel } from './unigram.ts';
import { wordLevelModel, wordPieceModel } from './wordPiece.ts';

export interface TokenModel {
  /** Appends the ids of a word. */
  encode(word: string, into: number[]): void;
}

export interface Vocabulary {
  /** Tokens that ordinary text may become, by text. */
  readonly ids: ReadonlyMap<string, number>;
  /** Id of any token by its text, special ones included. */
  find(text: string): number | undefined;
}

export function createModel(spec: TokenizerSpec, vocabulary: Vocabulary, writesBytes: boolean): TokenModel {
  const { ids } = vocabulary;
  switch (spec.kind) {
    case 'bpe':
    case 'spm':
      return bytePairModel(spec, vocabulary, writesBytes);
    case 'unigram':
      return unigramModel(spec, vocabulary);
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
