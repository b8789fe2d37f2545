/** Text to token ids and back. */
import { OptionError } from '../core/errors.ts';
import { createAddedTokens } from './addedTokens.ts';
import { fromByteLetters, letterOfByte, toByteLetters } from './byteAlphabet.ts';
import { endOfGenerationIds } from './endOfGeneration.ts';
import { createMergeRules, unnamed } from './merge/mergeRules.ts';
import { WordMerger } from './merge/mergeWord.ts';
import { createPreTokenizer, namedPreTokenizer } from './preTokenizer.ts';
import type { TokenizerSpec } from './spec.ts';
import type { SpecialTokens } from './specialTokens.ts';

export interface EncodeOptions {
  /** Special tokens written in the text become those tokens (default true); false for text that is not trusted. */
  readonly special?: boolean;
  /** Begin with BOS, end with EOS; the default is what the vocabulary asks for. */
  readonly addBos?: boolean;
  readonly addEos?: boolean;
}

export interface DecodeOptions {
  /** Special tokens appear as their text (default false: not at all). */
  readonly special?: boolean;
  /** The ids continue a text, so a space at their beginning stands (default false: the space prefix is taken off). */
  readonly continues?: boolean;
}

/** Decodes ids one at a time. What `push` and `flush` return, joined, is what `decode` gives for all ids at once. */
export interface Decoder {
  /** The characters that this id completes; a character whose bytes are still missing waits. */
  push(id: number): string;
  /** What was left waiting, as U+FFFD. */
  flush(): string;
}

export interface Tokenizer {
  /** Ids are below it. */
  readonly vocabSize: number;
  readonly bos?: number;
  readonly eos?: number;
  /** Ids after which a generation is over. */
  readonly endOfGeneration: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** Texts of the named special tokens. */
  readonly specialTokens: SpecialTokens;
  encode(text: string, options?: EncodeOptions): number[];
  /** Bytes that are no UTF-8 become U+FFFD. @throws {OptionError} for an id outside the vocabulary */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  decoder(options?: DecodeOptions): Decoder;
  /** The text of one token, special or not, for people; U+FFFD where it is half a character. */
  piece(id: number): string;
  /** The bytes that a token stands for; a special token's are its text. */
  bytes(id: number): Uint8Array;
  /** The id of a token as its file writes it: "<|im_end|>", "Ġthe", "▁the". */
  find(tokenText: string): number | undefined;
}

/** Words kept with their ids, so that frequent words are merged once. */
const MAX_CACHED_WORDS = 1 << 14;
const MAX_CACHED_LENGTH = 64;

/** @throws {UnsupportedError} for an unknown pre-tokenizer, listing the known ones */
export function createTokenizer(spec: TokenizerSpec): Tokenizer {
  const { tokens, kind } = spec;
  const ids = new Map<string, number>();
  tokens.forEach((text, id) => {
    if (text !== '' && !ids.has(text)) ids.set(text, id);
  });
  const find = (text: string): number | undefined => ids.get(text);
  const endOfGeneration = endOfGenerationIds(spec, find);

  // what ends a generation is special, whatever the file says
  const listed = spec.added.filter(({ id }) => !endOfGeneration.has(id) || tokens[id] === undefined);
  const ending = [...endOfGeneration].map((id) => ({
    ...spec.added.find((token) => token.id === id),
    id,
    special: true,
  }));
  const added = [...listed, ...ending];
  const specialIds = new Set(added.filter(({ special }) => special).map(({ id }) => id));
  const verbatim = new Set(added.map(({ id }) => id));
  const addedTokens = createAddedTokens(added, tokens);

  // of each byte: the token that stands for it alone
  const byteTokens = letterOfByte.map((letter, byte) =>
    kind === 'bpe' ? ids.get(letter) : spec.byteFallback ? ids.get(byteToken(byte)) : undefined,
  );
  const byteOfToken = new Map(byteTokens.map((id, byte) => [id, byte]));

  // ordinary text never becomes a special token or, in an spm vocabulary, "<0x41>"
  const mergeable = new Map(ids);
  for (const id of specialIds) mergeable.delete(tokens[id]);
  if (kind === 'spm') for (const id of byteTokens) if (id !== undefined) mergeable.delete(tokens[id]);

  const rules = createMergeRules(spec, mergeable);
  const merger = new WordMerger(rules);
  const preTokenizer = createPreTokenizer(spec.preTokenizer);
  const ignoreMerges =
    spec.ignoreMerges ?? (typeof spec.preTokenizer === 'string' && namedPreTokenizer(spec.preTokenizer).ignoreMerges);
  // where no token has a space inside, merges never cross the beginning of a word
  const wordsStandAlone = kind === 'spm' && !tokens.some((text, id) => /[^▁]▁/u.test(text) && !verbatim.has(id));
  const encoder = new TextEncoder();
  const cache = new Map<string, readonly number[]>();

  /** A symbol that is no token: as its bytes where they are tokens, or unknown. */
  const addUnnamed = (text: string, into: number[]): void => {
    for (const character of text) {
      const all = [...(kind === 'bpe' ? fromByteLetters(character) : encoder.encode(character))].map(
        (byte) => byteTokens[byte],
      );
      const known = all.filter((id) => id !== undefined);
      if (known.length === all.length) into.push(...known);
      else if (spec.unknown !== undefined && !(spec.fuseUnknown && into.at(-1) === spec.unknown))
        into.push(spec.unknown);
    }
  };

  const mergeWord = (word: string): readonly number[] => {
    const text = kind === 'bpe' && !preTokenizer.writesBytes ? toByteLetters(word) : word;
    const whole = ignoreMerges ? mergeable.get(text) : undefined;
    if (whole !== undefined) return [whole];
    const result: number[] = [];
    merger.merge(text, (symbol, start, end) => {
      if (symbol !== unnamed && symbol < tokens.length) result.push(symbol);
      else addUnnamed(text.slice(start, end), result);
    });
    return result;
  };

  const addWord = (word: string, into: number[]): void => {
    let found = cache.get(word);
    if (found === undefined) {
      found = mergeWord(word);
      if (word.length <= MAX_CACHED_LENGTH) {
        if (cache.size >= MAX_CACHED_WORDS) cache.clear();
        cache.set(word, found);
      }
    }
    for (const id of found) into.push(id);
  };

  /** Cuts before each ▁ that follows another character. */
  const addWords = (text: string, into: number[]): void => {
    for (let start = 0; start < text.length; ) {
      let end = start;
      while (text[end] === '▁') end++;
      end = text.indexOf('▁', end);
      if (end < 0) end = text.length;
      addWord(text.slice(start, end), into);
      start = end;
    }
  };

  const addSection = (section: string, start: number, into: number[]): void => {
    let text = spec.normalize === undefined ? section : section.normalize(spec.normalize);
    const prefixed = spec.spacePrefix === 'every-section' || (spec.spacePrefix === 'first-section' && start === 0);
    if (prefixed && !(spec.spacePrefixOnce && /^[ ▁]/u.test(text))) text = ` ${text}`;
    if (kind === 'spm') text = text.replaceAll(' ', '▁');
    for (const word of preTokenizer.split(text)) {
      if (!wordsStandAlone) addWord(word, into);
      else addWords(word, into);
    }
  };

  const bytes = (id: number): Uint8Array => {
    const text = tokens[id];
    if (text === undefined) throw new OptionError('token id', id, `0 to ${tokens.length - 1}`);
    if (verbatim.has(id)) return encoder.encode(text);
    if (kind === 'bpe') return fromByteLetters(text);
    const byte = byteOfToken.get(id);
    return byte !== undefined ? Uint8Array.of(byte) : encoder.encode(text.replaceAll('▁', ' '));
  };

  /** The bytes that each id in turn adds to the decoded text. */
  const shownBytes = ({ special = false, continues = false }: DecodeOptions = {}): ((id: number) => Uint8Array) => {
    let dropSpace = kind === 'spm' && spec.spacePrefix !== undefined && !continues;
    return (id) => {
      const whole = bytes(id);
      if (specialIds.has(id)) return special ? whole : whole.subarray(0, 0);
      const drop = dropSpace && !verbatim.has(id) && whole[0] === 0x20;
      if (whole.length > 0) dropSpace = false;
      return drop ? whole.subarray(1) : whole;
    };
  };

  return {
    vocabSize: tokens.length,
    bos: spec.bos,
    eos: spec.eos,
    endOfGeneration,
    addBos: spec.addBos,
    addEos: spec.addEos,
    specialTokens: spec.specialTokens ?? specialTokensOf(spec),
    encode(text, { special = true, addBos = spec.addBos, addEos = spec.addEos } = {}) {
      const result: number[] = [];
      if (addBos && spec.bos !== undefined) result.push(spec.bos);
      addedTokens.cut(
        text,
        special,
        (section, start) => addSection(section, start, result),
        (id) => result.push(id),
      );
      if (addEos && spec.eos !== undefined) result.push(spec.eos);
      return result;
    },
    decode(given, options) {
      const chunks = Array.from(given, shownBytes(options));
      const all = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
      let at = 0;
      for (const chunk of chunks) {
        all.set(chunk, at);
        at += chunk.length;
      }
      return utf8Decoder().decode(all);
    },
    decoder(options) {
      const shown = shownBytes(options);
      const utf8 = utf8Decoder();
      return { push: (id) => utf8.decode(shown(id), { stream: true }), flush: () => utf8.decode() };
    },
    piece: (id) => utf8Decoder().decode(bytes(id)),
    bytes,
    find,
  };
}

/** Named by their ids, as GGUF files do. */
function specialTokensOf({ tokens, bos, eos, unknown, padding }: TokenizerSpec): SpecialTokens {
  const text = (id: number | undefined) => (id === undefined ? undefined : tokens[id]);
  return { bos: text(bos), eos: text(eos), unk: text(unknown), pad: text(padding) };
}

/** Keeps U+FEFF, which is a character like others here. */
function utf8Decoder(): TextDecoder {
  return new TextDecoder('utf-8', { ignoreBOM: true });
}

/** 10 → "<0x0A>" */
function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}
