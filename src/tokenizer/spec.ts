import type { SpecialTokens } from './specialTokens.ts';
import type { NormalizationForm } from './unicode/unicode.ts';

/**
 * Specification of a tokenizer as plain data, independent of the file format. `formats/` reads it from files, and
 * `createTokenizer` creates a tokenizer from it.
 *
 * Encoding, in order:
 *
 *     text → added tokens cut out → normalizer → normalized added tokens cut out → pre-tokenizer → model → ids
 *
 * Decoding: token texts → decoder steps, in order.
 */
export interface TokenizerSpec {
  /**
   * Algorithm that encodes a word.
   * 'bpe': merges pairs by `merges` or, without them, by the lowest id of the result (tiktoken's ranks).
   * 'spm': merges pairs by the highest score of the result (SentencePiece BPE as in llama.cpp).
   * 'unigram': the tokens of the highest total score (Viterbi). 'wordpiece': longest match first. 'wordlevel': whole words.
   */
  readonly kind: 'bpe' | 'spm' | 'unigram' | 'wordpiece' | 'wordlevel';
  /**
   * Text of each token as its file writes it; the index is the id. undefined: an id without a token. Bytes that are not
   * UTF-8 are lone surrogates (see `escapedBytes.ts`).
   */
  readonly tokens: readonly (string | undefined)[];
  /** 'bpe': pairs to merge, by descending priority. */
  readonly merges?: readonly Merge[];
  /** Score of each token. Required by 'spm' and 'unigram'. */
  readonly scores?: ArrayLike<number>;
  readonly normalizer?: readonly NormalizerStep[];
  /** A name from `preTokenizers.ts`, which implies the byte alphabet; or steps. Default: none. */
  readonly preTokenizer?: string | readonly PreTokenizerStep[];
  /** Default: bytes from the byte alphabet, if the pre-tokenizer writes it; otherwise none. */
  readonly decoder?: readonly DecoderStep[];
  /** A word that is a token is not split (ignore_merges). 'lineBreaks': only words of line breaks (Gemma 4 in llama.cpp). */
  readonly ignoreMerges?: boolean | 'lineBreaks';
  /** Characters outside the vocabulary become byte tokens <0x00>..<0xFF>; otherwise the unknown token. */
  readonly byteFallback?: boolean;
  /** When characters outside the vocabulary are replaced: 'before' merging (tokenizers) or 'after' it (llama.cpp, default). */
  readonly unknownReplaced?: 'before' | 'after';
  /** Consecutive unknown tokens become one. */
  readonly fuseUnknown?: boolean;
  /** 'wordpiece' and 'bpe': prefix of tokens that continue a word, e.g. '##'. */
  readonly continuingPrefix?: string;
  /** 'bpe': suffix of the last token of a word, e.g. '</w>'. */
  readonly wordSuffix?: string;
  /** 'wordpiece': maximum characters of a word. Longer words become the unknown token. */
  readonly maxWordLength?: number;
  /** Tokens that are matched literally in the text. */
  readonly added: readonly AddedToken[];
  /** White space that `lstrip` and `rstrip` remove: Unicode's (default) or ASCII's (llama.cpp). */
  readonly stripped?: 'unicode' | 'ascii';
  /** Added tokens are shown as written, without the decoder (llama.cpp). Default: false. */
  readonly addedVerbatim?: boolean;
  /** Special tokens in a text are not parsed by default. Default: false. */
  readonly splitSpecialTokens?: boolean;
  readonly bos?: number;
  readonly eos?: number;
  /** End of turn. */
  readonly eot?: number;
  /** End of message: the model waits for a tool. */
  readonly eom?: number;
  readonly unknown?: number;
  readonly padding?: number;
  /** Texts of the named special tokens for chat templates. Default: those of `bos`, `eos`, `unknown` and `padding`. */
  readonly specialTokens?: SpecialTokens;
  /** Add `bos` before and `eos` after a text. `template` overrides them. */
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** Tokens around one text and around two. Default: from `addBos` and `addEos`. */
  readonly template?: Template;
  /** Additional ids that end a generation, besides `eos`, `eot`, `eom` and tokens known by name. */
  readonly endOfGeneration?: readonly number[];
}

/** "left right", or a pair of texts if one of them contains a space. */
export type Merge = string | readonly [left: string, right: string];

export interface AddedToken {
  /** Index into `tokens`, which has its text. */
  readonly id: number;
  /** Control token: hidden when decoding, and not parsed in untrusted text. */
  readonly special: boolean;
  /** Removes the white space before or after it. */
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  /** Matches only if no letter or digit is next to it. */
  readonly singleWord?: boolean;
  /** Matched in the normalized text, by its normalized form. */
  readonly normalized?: boolean;
}

export interface Template {
  /** Default: from `addBos` and `addEos`. */
  readonly single?: readonly TemplatePart[];
  /** Default: both texts, each as `single` has it. */
  readonly pair?: readonly TemplatePart[];
}

/** A special token's id, or the first ('A') or second ('B') text; and the token type of BERT-like models. */
export interface TemplatePart {
  readonly part: number | 'A' | 'B';
  readonly type: number;
}

export type NormalizerStep =
  | { readonly type: 'form'; readonly form: NormalizationForm }
  | { readonly type: 'prepend'; readonly text: string }
  | { readonly type: 'replace'; readonly pattern: string; readonly content: string }
  | { readonly type: 'lowercase' | 'stripAccents' | 'nmt' | 'bytes' }
  | { readonly type: 'strip'; readonly left: boolean; readonly right: boolean }
  | {
      readonly type: 'bert';
      readonly cleanText: boolean;
      readonly chineseCharacters: boolean;
      readonly stripAccents: boolean;
      readonly lowercase: boolean;
    }
  /** SentencePiece's precompiled character map; `longest`: the longest entry counts (SentencePiece), not the shortest of a cluster (tokenizers). */
  | { readonly type: 'characterMap'; readonly map: Uint8Array; readonly longest?: boolean };

/** Handling of the matches of a split. 'isolated': each match becomes a separate piece. */
export type SplitBehavior = 'isolated' | 'removed' | 'merged-with-previous' | 'merged-with-next' | 'contiguous';

/**
 * A step splits every piece further. 'bytes' converts the pieces to GPT-2's byte alphabet. A pattern is in the dialect of
 * `pattern/parse.ts`. The text between two matches is a piece too; `invert` swaps matches and gaps.
 */
export type PreTokenizerStep =
  | 'bytes'
  | { readonly pattern: string; readonly behavior?: SplitBehavior; readonly invert?: boolean }
  | { readonly characters: 'whiteSpace' | 'numbers' | 'punctuation'; readonly behavior: SplitBehavior }
  /** Adds a space to each piece that does not start with one. */
  | { readonly spacePrefix: true }
  | {
      readonly metaspace: string;
      /** Pieces that get the replacement as prefix, unless they start with it. */
      readonly prepend: 'always' | 'first' | 'never';
      readonly split: boolean;
    }
  | { readonly length: number };

export type DecoderStep =
  /** Converts the byte alphabet to bytes, and decodes them as UTF-8. */
  | { readonly type: 'byteLevel' }
  | { readonly type: 'replace'; readonly pattern: string; readonly content: string }
  /** Decodes runs of byte tokens as UTF-8; invalid runs become one U+FFFD per byte. */
  | { readonly type: 'byteFallback' }
  /** Converts byte tokens and escaped bytes to bytes, and decodes all of them as UTF-8 (llama.cpp). */
  | { readonly type: 'byteTokens' }
  | { readonly type: 'fuse' }
  /** Removes up to `start` characters `content` from the start of each piece, and up to `stop` from its end. */
  | { readonly type: 'strip'; readonly content: string; readonly start: number; readonly stop: number }
  /** Replaces the character by a space. With `dropFirst`, removes it at the start of the first token. */
  | { readonly type: 'metaspace'; readonly metaspace: string; readonly dropFirst: boolean }
  | { readonly type: 'wordPiece'; readonly prefix: string; readonly cleanup: boolean }
  | { readonly type: 'bpe'; readonly suffix: string }
  | { readonly type: 'ctc'; readonly padding: string; readonly delimiter: string; readonly cleanup: boolean }
  /** Joins tokens with spaces: the default of a file without a decoder. */
  | { readonly type: 'spaces' }
  /** Removes spaces before punctuation. */
  | { readonly type: 'cleanup' };
