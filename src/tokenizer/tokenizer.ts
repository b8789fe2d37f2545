/** Encodes text to token ids, and decodes ids to text. */
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
  /** Parse special tokens in the text. Default true; set false for untrusted text. */
  readonly special?: boolean;
  /** Add BOS before and EOS after the text. Default: the vocabulary's setting. */
  readonly addBos?: boolean;
  readonly addEos?: boolean;
}

export interface DecodeOptions {
  /** Include the text of special tokens. Default false. */
  readonly special?: boolean;
  /** The ids continue a text, so keep a space at the start. Default false: remove the space prefix. */
  readonly continues?: boolean;
}

/** Decodes ids one at a time. What `push` and `flush` return, joined, is what `decode` returns for all ids at once. */
export interface Decoder {
  /** Returns the characters that this id completes. Incomplete characters are held back. */
  push(id: number): string;
  /** Returns the text held back. Invalid UTF-8 becomes U+FFFD. */
  flush(): string;
}

/** Encodes two texts as one sequence, for rerankers. */
export interface EncodedPair {
  readonly ids: number[];
  /** Token type of each id: 0 for the first text, usually 1 for the second. */
  readonly types: number[];
}

export interface Tokenizer {
  /** Vocabulary size. Ids are smaller. A model may have more rows. */
  readonly vocabSize: number;
  readonly bos?: number;
  readonly eos?: number;
  /** Ids that end a generation. */
  readonly endOfGeneration: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** Texts of the named special tokens. */
  readonly specialTokens: SpecialTokens;
  encode(text: string, options?: EncodeOptions): number[];
  encodePair(first: string, second: string, options?: Pick<EncodeOptions, 'special'>): EncodedPair;
  /** Ids without a token are skipped. @throws {OptionError} if an id is not an integer of at least 0 */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  decoder(options?: DecodeOptions): Decoder;
  /** Text of a token, for display. Incomplete characters are U+FFFD. '' if the id has no token. */
  piece(id: number): string;
  /** Bytes of a token. Those of a special token are its text in UTF-8. */
  bytes(id: number): Uint8Array;
  /** Id of a token by its text in the file: "<|im_end|>", "Ġthe", "▁the". */
  find(tokenText: string): number | undefined;
}

/** @throws {UnsupportedError} for an unknown pre-tokenizer, listing the known ones, or a pattern that is not supported */
export function createTokenizer(spec: TokenizerSpec): Tokenizer {
  const { tokens } = spec;
  const ids = new Map<string, number>();
  tokens.forEach((text, id) => {
    if (text !== undefined && text !== '' && !ids.has(text)) ids.set(text, id);
  });
  // one map for a large vocabulary: what ordinary text may not become moves to a small one
  const hiddenIds = new Map<string, number>();
  const find = (text: string): number | undefined => ids.get(text) ?? hiddenIds.get(text);
  const endOfGeneration = endOfGenerationIds(spec, find);
  const added = withEndTokens(spec, endOfGeneration);
  const unparsed = new Set(added.filter(({ special }) => special).map(({ id }) => id));
  // llama.cpp hides all tokens that end a generation; transformers hides those marked special in the file
  const hidden = spec.addedVerbatim
    ? unparsed
    : new Set(spec.added.filter(({ special }) => special).map(({ id }) => id));

  const normalize = createNormalizer(spec.normalizer);
  const preTokenizer = createPreTokenizer(spec.preTokenizer);
  const writesBytes = preTokenizer.writesBytes || (spec.normalizer?.some(({ type }) => type === 'bytes') ?? false);
  moveUnmergeable(spec, unparsed, ids, hiddenIds);
  const model = createModel(spec, { ids, find }, writesBytes);
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

  /** True if normalization keeps the section's first character. */
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
  // tokens matched in normalized text are decoded from it
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

/** Returns the added tokens. Tokens that end a generation count as special, so that untrusted text cannot contain them. */
function withEndTokens({ added, tokens }: TokenizerSpec, endOfGeneration: ReadonlySet<number>): AddedToken[] {
  const ending = [...endOfGeneration]
    .filter((id) => tokens[id] !== undefined)
    .map((id) => ({ ...added.find((token) => token.id === id), id, special: true }));
  const others = added.filter(({ id }) => !endOfGeneration.has(id));
  return [...others, ...ending];
}

/** Moves the tokens that ordinary text may not become: special tokens, and byte tokens such as "<0x41>". */
function moveUnmergeable(
  { kind, byteFallback, tokens }: TokenizerSpec,
  specialIds: ReadonlySet<number>,
  from: Map<string, number>,
  to: Map<string, number>,
): void {
  const move = (text: string): void => {
    const id = from.get(text);
    if (id === undefined) return;
    from.delete(text);
    to.set(text, id);
  };
  for (const id of specialIds) if (kind !== 'wordlevel') move(tokens[id] ?? '');
  if (kind !== 'spm' || byteFallback !== true) return;
  for (const text of from.keys()) if (byteOf(text) !== undefined) move(text);
}

/** Returns the bytes of an ordinary token, independent of its position in a text. */
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

/** Returns the tokens before and after one text, and the template for two texts. */
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

/** Texts of the special tokens that a file defines by id, as GGUF does. */
function specialTokensOf({ tokens, bos, eos, unknown, padding }: TokenizerSpec): SpecialTokens {
  const text = (id: number | undefined) => (id === undefined ? undefined : tokens[id]);
  return { bos: text(bos), eos: text(eos), unk: text(unknown), pad: text(padding) };
}
