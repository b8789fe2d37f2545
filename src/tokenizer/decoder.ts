/**
 * Decodes ids to text by the steps of a file's decoder, one token at a time. The joined result equals that of `tokenizers`,
 * which decodes all tokens at once. A step that depends on later tokens therefore holds text back.
 */
import { fromByteLetters, isByteLetters } from './byteAlphabet.ts';
import { bytesOfText } from './escapedBytes.ts';
import { replacer } from './normalizer.ts';
import { literalPattern } from './pattern/parse.ts';
import type { DecoderStep } from './spec.ts';

/** A token's text between two steps. */
export interface Piece {
  readonly text: string;
  /** Literal text, which the steps do not change. */
  readonly verbatim?: boolean;
}

/** One run of a step over a text. */
export interface DecoderRun {
  push(piece: Piece): Piece[];
  end(): Piece[];
}

/** A piece is a token, or a chunk of a long piece that an earlier step has fused. */
type StepFactory = (fused: boolean, continues: boolean) => DecoderRun;

interface Compiled {
  readonly start: StepFactory;
  /** Later pieces are chunks of one piece. */
  readonly fuses: boolean;
}

/** @returns a function that starts a text. `continues`: the text continues another one, so its start is not stripped */
export function createDecoder(steps: readonly DecoderStep[]): (continues: boolean) => DecoderRun {
  const compiled = steps.map(compileStep);
  return (continues) => {
    let fused = false;
    const runs = compiled.map(({ start, fuses }) => {
      const run = start(fused, continues);
      fused ||= fuses;
      return run;
    });
    const pushFrom = (first: number, pieces: Piece[]): Piece[] => {
      let all = pieces;
      for (let i = first; i < runs.length; i++) {
        const run = runs[i];
        all = all.length === 1 ? run.push(all[0]) : all.flatMap((piece) => run.push(piece));
      }
      return all;
    };
    return {
      push: (piece) => pushFrom(0, [piece]),
      end: () => runs.flatMap((run, index) => pushFrom(index + 1, run.end())),
    };
  };
}

function compileStep(step: DecoderStep): Compiled {
  switch (step.type) {
    case 'byteLevel':
      return {
        start: () => bytesToText((text) => (isByteLetters(text) ? fromByteLetters(text) : bytesOfText(text))),
        fuses: true,
      };
    case 'byteTokens':
      return { start: () => bytesToText(tokenBytes), fuses: true };
    case 'fuse':
      return { start: () => eachPiece((text) => text), fuses: true };
    case 'replace': {
      const replace = replacer(step.pattern, step.content);
      return { start: (fused) => (fused ? whole(replace) : eachPiece(replace)), fuses: false };
    }
    case 'byteFallback':
      return { start: (fused) => (fused ? whole(byteRun) : byteFallback()), fuses: false };
    case 'strip':
      return {
        start: (fused, continues) => (fused ? stripEnds(step, continues) : eachPiece((text) => stripPiece(text, step))),
        fuses: false,
      };
    case 'metaspace':
      return { start: (fused, continues) => metaspace(step, fused, continues), fuses: false };
    case 'wordPiece':
      return {
        start: (fused, continues) => (fused ? whole((text) => text) : wordPiece(step, continues)),
        fuses: false,
      };
    case 'bpe':
      return {
        start: (fused) => (fused ? whole((text) => text.replaceAll(step.suffix, '')) : wordSuffix(step.suffix)),
        fuses: false,
      };
    case 'ctc':
      return { start: () => connectionist(step), fuses: false };
    case 'spaces':
      return { start: (_, continues) => spaces(continues), fuses: false };
    case 'cleanup':
      return { start: () => whole(cleanup), fuses: true };
  }
}

function eachPiece(change: (text: string) => string): DecoderRun {
  return { push: (piece) => [piece.verbatim ? piece : { text: change(piece.text) }], end: () => [] };
}

/** A step that holds all text back and changes it as a whole. */
function whole(change: (text: string) => string): DecoderRun {
  let all = '';
  return {
    push: ({ text }) => {
      all += text;
      return [];
    },
    end: () => (all === '' ? [] : [{ text: change(all) }]),
  };
}

/**
 * Decodes the bytes of all pieces as one text. Invalid UTF-8 becomes U+FFFD.
 * @param bytesOf returns the bytes that a token stands for; undefined: those of its text
 */
function bytesToText(bytesOf: (text: string) => Uint8Array | undefined): DecoderRun {
  // keep U+FEFF
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  const piece = (text: string): Piece[] => (text === '' ? [] : [{ text }]);
  let isInCharacter = false;
  return {
    push: (pushed) => {
      const { text, verbatim } = pushed;
      const bytes = verbatim ? undefined : bytesOf(text);
      // whole characters outside a character are already text; lone surrogates are escaped bytes
      if (!bytes && !isInCharacter && text !== '' && !/[\ud800-\udfff]/.test(text)) return [pushed];
      isInCharacter = bytes !== undefined || /[\ud800-\udfff]/.test(text);
      return piece(utf8.decode(bytes ?? bytesOfText(text), { stream: true }));
    },
    end: () => piece(utf8.decode()),
  };
}

/** Byte of a byte token such as <0x0A>. */
export function byteOf(text: string): number | undefined {
  if (text.length !== 6) return undefined;
  return /^<0x[0-9A-Fa-f]{2}>$/.test(text) ? Number.parseInt(text.slice(3, 5), 16) : undefined;
}

function tokenBytes(text: string): Uint8Array | undefined {
  const byte = byteOf(text);
  return byte === undefined ? undefined : Uint8Array.of(byte);
}

function byteRun(text: string): string {
  const byte = byteOf(text);
  return byte === undefined ? text : utf8OrUnknown([byte]).join('');
}

/** Decodes bytes; if they are not UTF-8, each byte becomes U+FFFD. */
function utf8OrUnknown(bytes: readonly number[]): string[] {
  try {
    return [new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes))];
  } catch {
    return bytes.map(() => '\ufffd');
  }
}

function byteFallback(): DecoderRun {
  let bytes: number[] = [];
  const flush = (): Piece[] => {
    const texts = bytes.length > 0 ? utf8OrUnknown(bytes) : [];
    bytes = [];
    return texts.map((text) => ({ text }));
  };
  return {
    push: (piece) => {
      const byte = piece.verbatim ? undefined : byteOf(piece.text);
      if (byte === undefined) return [...flush(), piece];
      bytes.push(byte);
      return [];
    },
    end: flush,
  };
}

type Strip = Extract<DecoderStep, { type: 'strip' }>;

function stripPiece(text: string, { content, start, stop }: Strip): string {
  const characters = Array.from(text);
  let from = 0;
  while (from < start && characters[from] === content) from++;
  let to = characters.length;
  while (to > from && characters.length - to < stop && characters[to - 1] === content) to--;
  return characters.slice(from, to).join('');
}

/** Strips the start and the end of a piece that arrives in chunks. */
function stripEnds({ content, start, stop }: Strip, continues: boolean): DecoderRun {
  let left = continues ? 0 : start;
  let held = '';
  return {
    push: ({ text }) => {
      let rest = text;
      while (left > 0 && rest.startsWith(content)) {
        rest = rest.slice(content.length);
        left--;
      }
      if (rest !== '') left = 0;
      held += rest;
      let end = held.length;
      for (let i = 0; i < stop && held.slice(0, end).endsWith(content); i++) end -= content.length;
      const ready = held.slice(0, end);
      held = held.slice(end);
      return ready === '' ? [] : [{ text: ready }];
    },
    end: () => {
      const text = stripPiece(held, { type: 'strip', content, start: 0, stop });
      return text === '' ? [] : [{ text }];
    },
  };
}

function metaspace(
  { metaspace: mark, dropFirst }: Extract<DecoderStep, { type: 'metaspace' }>,
  fused: boolean,
  continues: boolean,
): DecoderRun {
  let first = !continues;
  return {
    push: ({ text }) => {
      const result = text.replaceAll(mark, first && dropFirst ? '' : ' ');
      if (!fused) first = false;
      return [{ text: result }];
    },
    end: () => [],
  };
}

function wordPiece(
  { prefix, cleanup: cleans }: Extract<DecoderStep, { type: 'wordPiece' }>,
  continues: boolean,
): DecoderRun {
  let first = !continues;
  return {
    push: ({ text }) => {
      const joined = first ? text : text.startsWith(prefix) ? text.slice(prefix.length) : ` ${text}`;
      first = false;
      return [{ text: cleans ? cleanupWordPiece(joined) : joined }];
    },
    end: () => [],
  };
}

/** Replaces the word suffix by a space, except on the last token. */
function wordSuffix(suffix: string): DecoderRun {
  let last: string | undefined;
  const shown = (text: string, replacement: string): Piece[] => [
    { text: suffix === '' ? text : text.replaceAll(suffix, replacement) },
  ];
  return {
    push: ({ text }) => {
      const ready = last === undefined ? [] : shown(last, ' ');
      last = text;
      return ready;
    },
    end: () => (last === undefined ? [] : shown(last, '')),
  };
}

function connectionist({ padding, delimiter, cleanup: cleans }: Extract<DecoderStep, { type: 'ctc' }>): DecoderRun {
  let last: string | undefined;
  return {
    push: ({ text }) => {
      if (text === last) return [];
      last = text;
      const spoken = padding === '' ? text : text.replaceAll(padding, '');
      const result = cleans && delimiter !== '' ? cleanupWordPiece(spoken).replaceAll(delimiter, ' ') : spoken;
      return result === '' ? [] : [{ text: result }];
    },
    end: () => [],
  };
}

function spaces(continues: boolean): DecoderRun {
  let first = !continues;
  return {
    push: ({ text }) => {
      const piece = { text: first ? text : ` ${text}` };
      first = false;
      return [piece];
    },
    end: () => [],
  };
}

const contractions: readonly (readonly [written: string, shown: string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

function cleanup(text: string): string {
  return contractions.reduce((result, [written, shown]) => result.replaceAll(written, shown), text);
}

/** Like `cleanup`; also replaces " do not" by " don't". */
function cleanupWordPiece(text: string): string {
  const before = contractions.slice(0, 7).reduce((result, [written, shown]) => result.replaceAll(written, shown), text);
  return contractions
    .slice(7)
    .reduce((result, [written, shown]) => result.replaceAll(written, shown), before.replaceAll(' do not', " don't"));
}

/** The step that writes a space for a character. */
export function spaceFor(character: string): DecoderStep {
  return { type: 'replace', pattern: literalPattern(character), content: ' ' };
}
