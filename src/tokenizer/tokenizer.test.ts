import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OptionError, UnsupportedError } from '../core/errors.ts';
import { fromByteLetters, letterOfByte, toByteLetters } from './byteAlphabet.ts';
import { firstIds } from './firstIds.ts';
import type { AddedToken, DecoderStep, NormalizerStep, PreTokenizerStep, TokenizerSpec } from './spec.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

const corpus =
  'the cat sat on the mat, then the other cat ate the rest of the oat; ünïcödé is the test of these 😀😀 the 😀';

/** Merges learned from the corpus, most frequent pair first, as BPE is trained. */
function train(words: string[][], count: number): string[] {
  const merges: string[] = [];
  while (merges.length < count) {
    const counts = new Map<string, number>();
    for (const word of words)
      for (let at = 0; at + 1 < word.length; at++) {
        const pair = `${word[at]} ${word[at + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    const [best] = [...counts].sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1));
    if (best === undefined) break;
    merges.push(best[0]);
    for (const word of words)
      for (let at = 0; at + 1 < word.length; at++)
        if (`${word[at]} ${word[at + 1]}` === best[0]) word.splice(at, 2, word[at] + word[at + 1]);
  }
  return merges;
}

const specials = ['<s>', '</s>', '<|im_end|>', '<extra>'];

function withAdded(
  tokens: string[],
  flags: Record<string, Partial<AddedToken>> = {},
): Pick<TokenizerSpec, 'tokens' | 'added'> {
  const added = specials.map((text, index) => ({
    id: tokens.length + index,
    special: text !== '<extra>',
    ...flags[text],
  }));
  return { tokens: [...tokens, ...specials], added };
}

/** Byte-level, trained on the corpus. */
function byteLevel(flags?: Record<string, Partial<AddedToken>>): TokenizerSpec {
  const merges = train(
    corpus.split(/(?= )/).map((word) => [...toByteLetters(word)]),
    60,
  );
  const tokens = [...letterOfByte, ...merges.map((merge) => merge.replace(' ', ''))];
  const ids = withAdded(tokens, flags);
  return {
    kind: 'bpe',
    ...ids,
    merges,
    preTokenizer: 'gpt-2',
    bos: tokens.length,
    eos: tokens.length + 1,
    addBos: false,
    addEos: false,
  };
}

const prefix: NormalizerStep = { type: 'prepend', text: '▁' };
const spaceToMark: NormalizerStep = { type: 'replace', pattern: ' ', content: '▁' };
const decoder: DecoderStep[] = [
  { type: 'replace', pattern: '▁', content: ' ' },
  { type: 'byteTokens' },
  { type: 'strip', content: ' ', start: 1, stop: 0 },
];

/** SentencePiece-style: the same training on characters, scores falling as in Llama's vocabularies. */
function scored(flags?: Record<string, Partial<AddedToken>>): TokenizerSpec {
  const spaced = ` ${corpus}`.replaceAll(' ', '▁');
  const merges = train(
    spaced.split(/(?=▁)/).map((word) => [...word]),
    60,
  );
  const bytes = letterOfByte.map((_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const characters = [...new Set(spaced)];
  const tokens = ['<unk>', ...bytes, ...merges.map((merge) => merge.replace(' ', '')), ...characters];
  const scores = tokens.map((_, id) => (id <= 256 ? 0 : 256 - id));
  return {
    kind: 'spm',
    ...withAdded(tokens, flags),
    scores: [...scores, 0, 0, 0, 0],
    byteFallback: true,
    normalizer: [prefix, spaceToMark],
    decoder,
    addedVerbatim: true,
    unknown: 0,
    bos: tokens.length,
    eos: tokens.length + 1,
    addBos: true,
    addEos: false,
  };
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom(...corpus.split(/(?= )/), '\n', '  ', '▁', 'Ġ', '<0x41>', '<s>', '😀'), { maxLength: 20 })
    .map((parts) => parts.join('')),
);
/** What UTF-8 makes of text: half of a surrogate pair becomes U+FFFD. */
function wellFormed(text: string): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text));
}
const plain = { addBos: false, special: false };

describe.each([
  ['byte-level', byteLevel()],
  ['by scores', scored()],
  [
    'by merges of characters',
    {
      ...scored(),
      merges: train(
        ` ${corpus}`
          .replaceAll(' ', '▁')
          .split(/(?=▁)/)
          .map((word) => [...word]),
        60,
      ),
    },
  ],
  ['by ranks', { ...byteLevel(), merges: undefined }],
])('a tokenizer, %s', (_, spec) => {
  const tokenizer = createTokenizer(spec);

  it('gives text back as it was', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        // ▁ is how such vocabularies write a space
        const expected = spec.kind === 'spm' ? text.replaceAll('▁', ' ') : text;
        expect(tokenizer.decode(tokenizer.encode(text, plain))).toBe(wellFormed(expected));
      }),
      { seed: 1, numRuns: 400 },
    );
  });

  it('decodes a stream to the same text as the whole, without half characters', () => {
    const ids = fc.array(fc.integer({ min: 0, max: tokenizer.vocabSize - 1 }), { maxLength: 30 });
    fc.assert(
      fc.property(
        fc.oneof(
          ids,
          anyText.map((text) => tokenizer.encode(text)),
        ),
        fc.boolean(),
        (given, special) => {
          const decoder = tokenizer.decoder({ special });
          const pieces = given.map((id) => decoder.push(id));
          pieces.push(decoder.flush());
          expect(pieces.join('')).toBe(tokenizer.decode(given, { special }));
        },
      ),
      { seed: 2, numRuns: 400 },
    );
    const decoder = tokenizer.decoder({ continues: true });
    const pieces = tokenizer.encode('é€😺', plain).map((id) => decoder.push(id));
    expect(pieces.filter((piece) => piece.trim() !== '')).toEqual(['é', '€', '😺']);
    expect(decoder.flush()).toBe('');
  });

  it('finishes long runs of one letter, of spaces and of a character it does not know', () => {
    for (const letter of ['t', ' ', '語']) {
      const text = letter.repeat(100_000);
      expect(tokenizer.decode(tokenizer.encode(text, plain))).toBe(text);
    }
  });

  it('makes special tokens of text only where that is asked for', () => {
    const special = tokenizer.find('<|im_end|>')!;
    expect(tokenizer.encode('the<|im_end|>')).toContain(special);
    fc.assert(
      fc.property(anyText, (text) => {
        const ids = tokenizer.encode(`${text}<|im_end|><s>`, plain);
        for (const text of ['<s>', '</s>', '<|im_end|>']) expect(ids).not.toContain(tokenizer.find(text));
      }),
      { seed: 3 },
    );
    // tokens that are not special are found in any text
    expect(tokenizer.encode('a<extra>b', plain)).toContain(tokenizer.find('<extra>'));
  });

  it('hides special tokens when decoding, unless told otherwise', () => {
    const ids = tokenizer.encode('the<|im_end|> cat</s>', { addBos: true });
    expect(ids[0]).toBe(tokenizer.bos);
    expect(tokenizer.decode(ids)).not.toMatch(/<s>|im_end/);
    expect(tokenizer.decode(ids, { special: true })).toMatch(/^<s> ?the<\|im_end\|>\s+cat<\/s>$/);
  });

  it('collects what ends a generation', () => {
    expect([...tokenizer.endOfGeneration].map((id) => tokenizer.piece(id)).sort()).toEqual(['</s>', '<|im_end|>']);
  });

  it('decodes ids beyond its tokens to nothing, and refuses what is no id', () => {
    expect(tokenizer.decode([tokenizer.vocabSize, ...tokenizer.encode('cat', plain), 999_999])).toBe('cat');
    expect(tokenizer.piece(tokenizer.vocabSize)).toBe('');
    expect(() => tokenizer.piece(-1)).toThrow(OptionError);
    expect(() => tokenizer.decode([0.5])).toThrow(OptionError);
  });
});

describe('a tokenizer', () => {
  const pieces = (spec: TokenizerSpec, text: string): (string | undefined)[] => {
    const tokenizer = createTokenizer(spec);
    return tokenizer.encode(text, { addBos: false }).map((id) => spec.tokens[id]);
  };

  it('knows the tokens and bytes it is made of', () => {
    const tokenizer = createTokenizer(scored());
    expect(tokenizer.piece(tokenizer.find('▁the')!)).toBe(' the');
    expect([...tokenizer.bytes(tokenizer.find('<0xE2>')!)]).toEqual([0xe2]);
    expect([...tokenizer.bytes(tokenizer.find('<s>')!)]).toEqual([...'<s>'].map((c) => c.charCodeAt(0)));
    expect(tokenizer.find('no such token')).toBeUndefined();
  });

  it('falls back on bytes, or the unknown token', () => {
    expect(pieces(scored(), 'é')).toEqual(['▁', ...(corpus.includes('é') ? ['é'] : [])]);
    expect(pieces(scored(), '€')).toEqual(['▁', '<0xE2>', '<0x82>', '<0xAC>']);
    expect(pieces({ ...scored(), byteFallback: false }, '€€')).toEqual(['▁', '<unk>', '<unk>']);
    expect(pieces({ ...scored(), byteFallback: false, fuseUnknown: true }, '€€')).toEqual(['▁', '<unk>']);
  });

  it('puts a space before text as the vocabulary wants it', () => {
    const normalized = (...normalizer: NormalizerStep[]) => ({ ...scored(), normalizer });
    const metaspace = (prepend: 'always' | 'first' | 'never') => ({
      ...scored(),
      normalizer: [],
      preTokenizer: [{ metaspace: '▁', prepend, split: false }] satisfies PreTokenizerStep[],
    });
    expect(pieces(scored(), 'the<s>the')).toEqual(['▁the', '<s>', '▁the']);
    expect(pieces(metaspace('first'), 'the<s>the')[2]).not.toBe('▁the');
    expect(pieces(metaspace('first'), '<s>the')[1]).not.toBe('▁the');
    expect(pieces(normalized(spaceToMark), ' the')).toEqual(['▁the']);
    expect(pieces(metaspace('always'), ' the')).toEqual(['▁the']);
    expect(pieces(metaspace('never'), ' the')).toEqual(['▁the']);
    expect(pieces(scored(), ' the')).toEqual(['▁', '▁the']);
  });

  it('keeps the space at the beginning of text that continues', () => {
    const tokenizer = createTokenizer(scored());
    const ids = [tokenizer.find('▁the')!];
    expect(tokenizer.decode(ids)).toBe('the');
    expect(tokenizer.decode(ids, { continues: true })).toBe(' the');
  });

  it('lets added tokens take the space around them, and stand alone', () => {
    const around = { '<s>': { lstrip: true, rstrip: true }, '<extra>': { singleWord: true } };
    expect(pieces(byteLevel(around), 't \n<s> \tt')).toEqual(['t', '<s>', 't']);
    expect(pieces(byteLevel(around), '<extra>')).toEqual(['<extra>']);
    expect(pieces(byteLevel(around), 'x<extra>')).not.toContain('<extra>');
  });

  it('adds BOS and EOS as the vocabulary says, or the caller', () => {
    const spec = { ...byteLevel(), addBos: true, addEos: true };
    const tokenizer = createTokenizer(spec);
    expect(tokenizer.encode('')).toEqual([spec.bos, spec.eos]);
    expect(tokenizer.encode('', { addBos: false })).toEqual([spec.eos]);
    expect(tokenizer.encode('', { addBos: false, addEos: false })).toEqual([]);
  });

  it('takes a whole word that is a token where merges do not count', () => {
    const tokens = [...letterOfByte, 'abc'];
    const spec: TokenizerSpec = {
      kind: 'bpe',
      tokens,
      merges: [],
      preTokenizer: 'gpt-2',
      added: [],
      addBos: false,
      addEos: false,
    };
    expect(pieces(spec, 'abc')).toEqual(['a', 'b', 'c']);
    expect(pieces({ ...spec, ignoreMerges: true }, 'abc')).toEqual(['abc']);
    expect(pieces({ ...spec, preTokenizer: 'llama-bpe' }, 'abc')).toEqual(['abc']);
  });

  it('normalizes where the vocabulary asks for it', () => {
    const spec: TokenizerSpec = { ...byteLevel(), normalizer: [{ type: 'form', form: 'NFC' }] };
    expect(createTokenizer(spec).decode(createTokenizer(spec).encode('e\u0301'))).toBe('é');
  });

  it('drops nothing when its cache of words is full', () => {
    const tokenizer = createTokenizer(byteLevel());
    const text = Array.from({ length: 40_000 }, (_, index) => `w${index}`).join(' ');
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it('is refused by name where its pre-tokenizer is unknown', () => {
    const make = () => createTokenizer({ ...byteLevel(), preTokenizer: 'nobody-knows' });
    expect(make).toThrow(UnsupportedError);
    expect(make).toThrow(/pre-tokenizer nobody-knows is not supported; supported: .*gpt-2.*deepseek-v3/);
  });
});

describe('the byte alphabet', () => {
  it('has a letter for each byte', () => {
    expect(new Set(letterOfByte).size).toBe(256);
    expect(toByteLetters(' é')).toBe('ĠÃ©');
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromByteLetters([...bytes].map((byte) => letterOfByte[byte]).join(''))).toEqual(bytes);
      }),
      { seed: 4 },
    );
    expect(fromByteLetters('Ġ中😀')).toEqual(new TextEncoder().encode(' 中😀'));
  });
});

describe.each([
  ['a byte-level vocabulary', byteLevel()],
  ['a scored vocabulary', scored()],
])('firstIds with %s', (_, spec) => {
  const tokenizer = createTokenizer(spec);
  const text = corpus.repeat(1500);

  it('returns the ids of the whole text, but encodes a piece of it', () => {
    const whole = tokenizer.encode(text, plain);
    let longest = 0;
    const measuring: Tokenizer = {
      ...tokenizer,
      encode(piece, options) {
        longest = Math.max(longest, piece.length);
        return tokenizer.encode(piece, options);
      },
    };
    for (const count of [1, 100, 5000]) expect(firstIds(measuring, text, count, plain)).toEqual(whole.slice(0, count));
    expect(longest).toBeLessThan(text.length / 2);
    expect(firstIds(measuring, text, whole.length + 9, plain)).toEqual(whole);
  });
});
