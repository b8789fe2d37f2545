import type { SpecialTokens } from './specialTokens.ts';
import type { NormalizationForm } from './unicode/unicode.ts';

/**
 * Everything a tokenizer is made of, as plain data, independent of the file it came from. `formats/` fills it in,
 * `createTokenizer` makes a tokenizer of it.
 *
 * How text becomes ids, in order:
 *
 *     text → added tokens cut out → normalizer → normalized added tokens cut out → pre-tokenizer → model → ids
 *
 * and ids become text: token texts → decoder steps, one after another.
 */
export interface TokenizerSpec {
  /**
   * How words become tokens.
   * 'bpe': pairs merge, by `merges` or, without them, by the lowest id of the result (tiktoken's ranks).
   * 'spm': pairs merge by the highest score of the result (llama.cpp's reading of SentencePiece BPE).
   * 'unigram': the tokens of the highest total score (Viterbi). 'wordpiece': longest match first. 'wordlevel': whole words.
   */
  readonly kind: 'bpe' | 'spm' | 'unigram' | 'wordpiece' | 'wordlevel';
  /**
   * Text of each token as its file writes it; the index is the id. undefined: an id without a token. Bytes that are not
   * UTF-8 are lone surrogates (see `escapedBytes.ts`).
   */
  readonly tokens: readonly (string | undefined)[];
  /** 'bpe': pairs to merge, the first most urgent. */
  readonly merges?: readonly Merge[];
  /** Score of each token; needed by 'spm' and 'unigram'. */
  readonly scores?: ArrayLike<number>;
  readonly normalizer?: readonly NormalizerStep[];
  /** A name from `preTokenizers.ts`, whose words are then written in the byte alphabet, or steps. Default: none. */
  readonly preTokenizer?: string | readonly PreTokenizerStep[];
  /** Default: bytes from the byte alphabet, if the pre-tokenizer writes it; otherwise none. */
  readonly decoder?: readonly DecoderStep[];
  /** A word that is a token is taken whole, without merging. */
  readonly ignoreMerges?: boolean;
  /** Characters outside the vocabulary become byte tokens <0x00>..<0xFF>; otherwise the unknown token. */
  readonly byteFallback?: boolean;
  /** When characters outside the vocabulary are replaced: 'before' merging (tokenizers) or 'after' it (llama.cpp, default). */
  readonly unknownReplaced?: 'before' | 'after';
  /** Neighbouring unknown tokens become one. */
  readonly fuseUnknown?: boolean;
  /** 'wordpiece' and 'bpe': written before a token that is not at the beginning of a word, such as '##'. */
  readonly continuingPrefix?: string;
  /** 'bpe': written behind the last character of a word, such as '</w>'. */
  readonly wordSuffix?: string;
  /** 'wordpiece': a longer word is the unknown token. */
  readonly maxWordLength?: number;
  /** Tokens found in the text as they are. */
  readonly added: readonly AddedToken[];
  /** White space that `lstrip` and `rstrip` take: Unicode's (default) or ASCII's (llama.cpp). */
  readonly stripped?: 'unicode' | 'ascii';
  /** Added tokens are shown as written, without the decoder (llama.cpp). Default: false. */
  readonly addedVerbatim?: boolean;
  /** Special tokens in a text are not parsed unless asked for. Default: false. */
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
  /** A text begins with `bos`, ends with `eos`. `template` says more where that is not all. */
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** Tokens around one text and around two. Default: as `addBos` and `addEos` say. */
  readonly template?: Template;
  /** Further ids that end a generation; `eos`, `eot`, `eom` and tokens known by name are found without. */
  readonly endOfGeneration?: readonly number[];
}

/** "left right", or the two texts where one of them has a space. */
export type Merge = string | readonly [left: string, right: string];

export interface AddedToken {
  /** Its text is `tokens[id]`. */
  readonly id: number;
  /** Control tokens: hidden when decoding and, in text that is not trusted, not parsed. */
  readonly special: boolean;
  /** Takes the white space before or after it. */
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  /** Only where no letter or digit touches it. */
  readonly singleWord?: boolean;
  /** Found in the normalized text, by its normalized form. */
  readonly normalized?: boolean;
}

export interface Template {
  readonly single: readonly TemplatePart[];
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

/** What becomes of the matches of a split; 'isolated': a piece of its own. */
export type SplitBehavior = 'isolated' | 'removed' | 'merged-with-previous' | 'merged-with-next' | 'contiguous';

/**
 * Every piece is split further. 'bytes' writes the pieces in GPT-2's byte alphabet. A pattern is in the dialect of
 * `pattern/parse.ts`; what lies between two matches is a piece too; with `invert` the gaps take the part of the matches.
 */
export type PreTokenizerStep =
  | 'bytes'
  | { readonly pattern: string; readonly behavior?: SplitBehavior; readonly invert?: boolean }
  | { readonly characters: 'whiteSpace' | 'numbers' | 'punctuation'; readonly behavior: SplitBehavior }
  /** A space before each piece that does not begin with one. */
  | { readonly spacePrefix: true }
  | {
      readonly metaspace: string;
      /** Pieces that get one in front, unless they begin with it. */
      readonly prepend: 'always' | 'first' | 'never';
      readonly split: boolean;
    }
  | { readonly length: number };

export type DecoderStep =
  /** The byte alphabet becomes bytes, the bytes text. */
  | { readonly type: 'byteLevel' }
  | { readonly type: 'replace'; readonly pattern: string; readonly content: string }
  /** A run of byte tokens becomes text, or as many U+FFFD where it is not UTF-8. */
  | { readonly type: 'byteFallback' }
  /** Byte tokens and escaped bytes become bytes, the bytes text (llama.cpp). */
  | { readonly type: 'byteTokens' }
  | { readonly type: 'fuse' }
  /** Takes up to `start` characters `content` from the beginning of each piece and `stop` from its end. */
  | { readonly type: 'strip'; readonly content: string; readonly start: number; readonly stop: number }
  /** The character becomes a space; in the first token nothing, with `dropFirst`. */
  | { readonly type: 'metaspace'; readonly metaspace: string; readonly dropFirst: boolean }
  | { readonly type: 'wordPiece'; readonly prefix: string; readonly cleanup: boolean }
  | { readonly type: 'bpe'; readonly suffix: string }
  | { readonly type: 'ctc'; readonly padding: string; readonly delimiter: string; readonly cleanup: boolean }
  /** A space between two tokens: what a file without a decoder means. */
  | { readonly type: 'spaces' }
  /** Takes spaces before punctuation away. */
  | { readonly type: 'cleanup' };
