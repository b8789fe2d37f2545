import type { SpecialTokens } from './specialTokens.ts';

/**
 * Everything a tokenizer is made of, whatever file it came from, as plain data. `formats/` fills it in, `createTokenizer`
 * turns it into a tokenizer.
 *
 * How text becomes ids, in order:
 *
 *     text → added tokens cut out → [normalize] → [space prefix] → [space to ▁ (spm)] → pre-tokenizer → merges → ids
 */
export interface TokenizerSpec {
  /**
   * What the characters of `tokens` stand for.
   * 'bpe': bytes, each written as a letter of GPT-2's byte alphabet ("Ġthe").
   * 'spm': characters, a space written as ▁ ("▁the"), a character outside the vocabulary as byte tokens <0x00>..<0xFF>.
   */
  readonly kind: 'bpe' | 'spm';
  /** Text of each token as its file writes it; the index is the id. An empty string is an id without a token. */
  readonly tokens: readonly string[];
  /**
   * Pairs to merge, "left right", the first most urgent. Without them two neighbours merge where their text is a token:
   * in an 'spm' vocabulary the one of highest score first, in a 'bpe' vocabulary that of lowest id (tiktoken's ranks).
   */
  readonly merges?: readonly string[];
  /** Of each token; needed by an 'spm' vocabulary without merges. */
  readonly scores?: ArrayLike<number>;
  /** A name from `preTokenizers.ts`, or the stages themselves; absent: text is not split before merging. */
  readonly preTokenizer?: string | readonly SplitStage[];
  /** A word that is a token is taken whole, without merging. */
  readonly ignoreMerges?: boolean;
  readonly normalize?: 'NFC' | 'NFD' | 'NFKC' | 'NFKD';
  /** Where a space is put before the text: at each section between added tokens, or at the start of the text only. */
  readonly spacePrefix?: 'every-section' | 'first-section';
  /** The space prefix is left out where the section begins with a space already. */
  readonly spacePrefixOnce?: boolean;
  /** 'spm': characters outside the vocabulary become byte tokens; otherwise the unknown token. */
  readonly byteFallback?: boolean;
  /** Neighbouring unknown tokens become one. */
  readonly fuseUnknown?: boolean;
  /** Tokens found in the text as they are, before anything else happens to it. */
  readonly added: readonly AddedToken[];
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
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** Further ids that end a generation; `eos`, `eot`, `eom` and tokens known by name are found without. */
  readonly endOfGeneration?: readonly number[];
}

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
}

/**
 * One step of a pre-tokenizer: every piece is split further by a pattern; what lies between two matches is a piece too.
 * 'bytes' writes the pieces in the byte alphabet, for later stages to see them so (otherwise it happens at the end).
 */
export type SplitStage =
  | 'bytes'
  | {
      /** In the dialect of `pattern/parse.ts`. */
      readonly pattern: string;
      /** What becomes of a match; 'isolated' (default): a piece of its own. */
      readonly behavior?: 'isolated' | 'removed' | 'merged-with-previous' | 'merged-with-next' | 'contiguous';
      /** The gaps take the part of the matches. */
      readonly invert?: boolean;
    };
