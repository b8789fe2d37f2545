/** Text to token ids and back. */
import { OptionError } from '../core/errors.ts';
import { createAddedTokens } from './addedTokens.ts';
import { fromByteLetters, isByteLetters } from './byteAlphabet.ts';
import { byteOf, createDecoder, type DecoderRun } from './decoder.ts';
import { endOfGenerationIds } from './endOfGeneration.ts';
import { bytesOfText } from './escapedBytes.ts';
import { createModel } from './models/tokenModel.ts';
import { createNormalizer, replacer } from './normalizer.ts';
import { createPreTokenizer } from './preTokenizer.ts';
import type { AddedToken, DecoderStep, TemplatePart, TokenizerSpec } from './spec.ts';
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

/** Decodes ids one at a time. What `push` and `flush` return, joined, is what `decode` returns for all ids at once. */
export interface Decoder {
  /** The characters that this id completes; a character whose bytes are still missing waits. */
  push(id: number): string;
  /** What was left waiting; bytes that are not UTF-8 are U+FFFD. */
  flush(): string;
}

/** Two texts in one sequence, as rerankers read them. */
export interface EncodedPair {
  readonly ids: number[];
  /** Token type of each id: 0 for the first text, usually 1 for the second. */
  readonly types: number[];
}

export interface Tokenizer {
  /** Number of ids that the vocabulary defines; they are below it. A model may have more rows. */
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
  encodePair(first: string, second: string, options?: Pick<EncodeOptions, 'special'>): EncodedPair;
  /** An id without a token is no text. @throws {OptionError} for what is no whole number of at least 0 */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  decoder(options?: DecodeOptions): Decoder;
  /** The text of one token, special or not, for people; U+FFFD where it is half a character, '' where there is no token. */
  piece(id: number): string;
  /** The bytes that a token stands for; a special token's are its text. */
  bytes(id: number): Uint8Array;
  /** The id of a token as its file writes it: "<|im_end|>", "Ġthe", "▁the". */
  find(tokenText: string): number | undefined;
}

/** @throws {UnsupportedError} for an unknown pre-tokenizer, listing the known ones, or a pattern that is not supported */
export function createTokenizer(spec: TokenizerSpec): Tokenizer {
  const { tokens } = spec;
  const ids = new Map<string, number>();
  tokens.forEach((text, id) => {
    if (text !== undefined && text !== '' && !ids.has(text)) ids.set(text, id);
  });
  const find = (text: string): number | undefined => ids.get(text);
  const endOfGeneration = endOfGenerationIds(spec, find);
  const added = withEndTokens(spec, endOfGeneration);
  const unparsed = new Set(added.filter(({ special }) => special).map(({ id }) => id));
  // llama.cpp hides every token that ends a generation, transformers those that the file calls special
  const hidden = spec.addedVerbatim
    ? unparsed
    : new Set(spec.added.filter(({ special }) => special).map(({ id }) => id));

  const normalize = createNormalizer(spec.normalizer);
  const preTokenizer = createPreTokenizer(spec.preTokenizer);
  const writesBytes = preTokenizer.writesBytes || (spec.normalizer?.some(({ type }) => type === 'bytes') ?? false);
  const model = createModel(spec, mergeableIds(spec, ids, unparsed), writesBytes);
  const asWritten = createAddedTokens(
    added.filter(({ normalized }) => !normalized),
    (id) => tokens[id],
    spec.stripped,
  );
  const inNormalized = createAddedTokens(
    added.filter(({ normalized }) => normalized),
    (id) => normalize(tokens[id] ?? ''),
    spec.stripped,
  );

  /** Whether the first character is still there when the section is normalized. */
  const keepsFirst = (section: string): boolean =>
    !spec.normalizer?.length || normalize(String.fromCodePoint(section.codePointAt(0)!)) !== '';
  const addText = (text: string, special: boolean, into: number[]): void => {
    const onToken = (id: number): void => {
      into.push(id);
    };
    asWritten.cut(
      text.replace(/[\ud800-\udfff]/gu, '\ufffd'),
      special,
      (section, start) =>
        inNormalized.cut(
          normalize(section),
          special,
          (part, at) => {
            const atStart = start === 0 && at === 0 && keepsFirst(section);
            for (const word of preTokenizer.split(part, atStart)) model.encode(word, into);
          },
          onToken,
        ),
      onToken,
    );
  };

  const steps = spec.decoder ?? (writesBytes ? [{ type: 'byteLevel' } as const] : []);
  const startDecoding = createDecoder(steps);
  // a token that is found in normalized text is decoded from it
  const shown = new Map(
    spec.addedVerbatim
      ? []
      : added.filter(({ normalized }) => normalized).map(({ id }) => [id, normalize(tokens[id] ?? '')]),
  );
  const addedIds = new Set(added.map(({ id }) => id));
  const decoder = ({ special = false, continues = false }: DecodeOptions = {}): Decoder => {
    let run: DecoderRun | undefined;
    const textOf = (pieces: readonly { readonly text: string }[]): string => pieces.map(({ text }) => text).join('');
    return {
      push(id) {
        checkId(id);
        const text = shown.get(id) ?? tokens[id];
        if (text === undefined || (!special && hidden.has(id))) return '';
        run ??= startDecoding(continues);
        return textOf(run.push({ text, verbatim: spec.addedVerbatim && addedIds.has(id) }));
      },
      flush() {
        const rest = run ? textOf(run.end()) : '';
        run = undefined;
        return rest;
      },
    };
  };
  const bytesOf = tokenBytes(steps);
  const bytes = (id: number): Uint8Array => {
    checkId(id);
    const text = tokens[id] ?? '';
    return addedIds.has(id) ? bytesOfText(text) : bytesOf(text);
  };

  const { before, after, pair } = framesOf(spec);
  return {
    vocabSize: tokens.length,
    bos: spec.bos,
    eos: spec.eos,
    endOfGeneration,
    addBos: before.length > 0,
    addEos: after.length > 0,
    specialTokens: spec.specialTokens ?? specialTokensOf(spec),
    encode(text, { special = !spec.splitSpecialTokens, addBos = before.length > 0, addEos = after.length > 0 } = {}) {
      const result: number[] = [];
      if (addBos) result.push(...(before.length > 0 ? before : spec.bos === undefined ? [] : [spec.bos]));
      addText(text, special, result);
      if (addEos) result.push(...(after.length > 0 ? after : spec.eos === undefined ? [] : [spec.eos]));
      return result;
    },
    encodePair(first, second, { special = !spec.splitSpecialTokens } = {}) {
      const result: number[] = [];
      const types: number[] = [];
      for (const { part, type } of pair) {
        if (typeof part === 'number') result.push(part);
        else addText(part === 'A' ? first : second, special, result);
        while (types.length < result.length) types.push(type);
      }
      return { ids: result, types };
    },
    decode(given, options) {
      const run = decoder(options);
      let text = '';
      for (const id of given) text += run.push(id);
      return text + run.flush();
    },
    decoder,
    piece: (id) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes(id)),
    bytes,
    find,
  };
}

function checkId(id: number): void {
  if (!Number.isInteger(id) || id < 0) throw new OptionError('token id', id, 'a whole number of at least 0');
}

/** Added tokens, with what ends a generation among them: text that is not trusted never becomes such a token. */
function withEndTokens({ added, tokens }: TokenizerSpec, endOfGeneration: ReadonlySet<number>): AddedToken[] {
  const ending = [...endOfGeneration]
    .filter((id) => tokens[id] !== undefined)
    .map((id) => ({ ...added.find((token) => token.id === id), id, special: true }));
  const others = added.filter(({ id }) => !endOfGeneration.has(id));
  return [...others, ...ending];
}

/** Tokens that ordinary text may become: never a special token nor, where they stand for bytes, "<0x41>". */
function mergeableIds(
  { kind, byteFallback, tokens }: TokenizerSpec,
  ids: ReadonlyMap<string, number>,
  specialIds: ReadonlySet<number>,
): ReadonlyMap<string, number> {
  const hidesBytes = kind === 'spm' && byteFallback === true;
  const mergeable = new Map(ids);
  for (const id of specialIds) if (kind !== 'wordlevel') mergeable.delete(tokens[id] ?? '');
  if (hidesBytes) for (const text of ids.keys()) if (byteOf(text) !== undefined) mergeable.delete(text);
  return mergeable;
}

/** The bytes of a token that is no added one, without what depends on its place in a text. */
function tokenBytes(steps: readonly DecoderStep[]): (text: string) => Uint8Array {
  const byteLevel = steps.some(({ type }) => type === 'byteLevel');
  const byteTokens = steps.some(({ type }) => type === 'byteFallback' || type === 'byteTokens');
  const changes = steps.flatMap((step) =>
    step.type === 'replace'
      ? [replacer(step.pattern, step.content)]
      : step.type === 'metaspace'
        ? [(text: string) => text.replaceAll(step.metaspace, ' ')]
        : step.type === 'wordPiece'
          ? [(text: string) => (text.startsWith(step.prefix) ? text.slice(step.prefix.length) : text)]
          : [],
  );
  return (text) => {
    if (byteLevel && isByteLetters(text)) return fromByteLetters(text);
    const byte = byteTokens ? byteOf(text) : undefined;
    return byte === undefined
      ? bytesOfText(changes.reduce((result, change) => change(result), text))
      : Uint8Array.of(byte);
  };
}

/** Tokens before and behind one text, and the template of two. */
function framesOf(spec: TokenizerSpec) {
  const { template, bos, eos, addBos, addEos } = spec;
  const edge = (add: boolean, id: number | undefined): number[] => (add && id !== undefined ? [id] : []);
  const single = template?.single ?? [
    ...edge(addBos, bos).map((part) => ({ part, type: 0 })),
    { part: 'A', type: 0 } as const,
    ...edge(addEos, eos).map((part) => ({ part, type: 0 })),
  ];
  const at = single.findIndex(({ part }) => part === 'A');
  const idsOf = (parts: readonly TemplatePart[]) =>
    parts.flatMap(({ part }) => (typeof part === 'number' ? [part] : []));
  const pair: readonly TemplatePart[] = template?.pair ?? [
    ...single,
    ...single.map(({ part }) => ({ part: part === 'A' ? ('B' as const) : part, type: 1 })),
  ];
  return { before: idsOf(single.slice(0, at)), after: idsOf(single.slice(at + 1)), pair };
}

/** Named by their ids, as GGUF files do. */
function specialTokensOf({ tokens, bos, eos, unknown, padding }: TokenizerSpec): SpecialTokens {
  const text = (id: number | undefined) => (id === undefined ? undefined : tokens[id]);
  return { bos: text(bos), eos: text(eos), unk: text(unknown), pad: text(padding) };
}
