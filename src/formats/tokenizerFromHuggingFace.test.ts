import { describe, expect, it } from 'vitest';
import { EspalierError, FormatError, UnsupportedError } from '../core/errors.ts';
import { seededRandom } from '../core/random.ts';
import { letterOfByte } from '../tokenizer/byteAlphabet.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { tokenizerFromHuggingFace } from './tokenizerFromHuggingFace.ts';

type Entries = Record<string, unknown>;

const idsOf = (texts: readonly string[]): Record<string, number> =>
  Object.fromEntries(texts.map((text, id) => [text, id]));
const special = (id: number, content: string) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

/** As Llama-3's is made. */
function byteLevel(changes: Entries = {}): Entries {
  const split = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
  return {
    added_tokens: [special(259, '<|begin|>'), special(260, '<|im_end|>')],
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: split }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: {
      type: 'Sequence',
      processors: [
        { type: 'ByteLevel', add_prefix_space: true },
        {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: '<|begin|>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
          special_tokens: { '<|begin|>': { id: '<|begin|>', ids: [259], tokens: ['<|begin|>'] } },
        },
      ],
    },
    model: {
      type: 'BPE',
      vocab: idsOf([...letterOfByte, 'he', 'll', 'hell']),
      merges: ['h e', 'l l', 'he ll'],
      ignore_merges: true,
    },
    ...changes,
  };
}

/** As Phi-3's is made, or with Metaspace as newer ones of Llama-2. */
function characters(changes: Entries = {}): Entries {
  const bytes = letterOfByte.map((_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  return {
    added_tokens: [special(0, '<unk>'), { ...special(262, '<|user|>'), rstrip: true }],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab: idsOf(['<unk>', ...bytes, '▁', 'h', 'i', '▁h', '▁hi']),
      merges: [
        ['▁', 'h'],
        ['▁h', 'i'],
      ],
    },
    ...changes,
  };
}

const read = (json: unknown, config?: unknown) =>
  tokenizerFromHuggingFace({ tokenizer: json, tokenizerConfig: config }, 'tokenizer.json');
const pieces = (json: Entries, text: string): (string | undefined)[] => {
  const spec = read(json);
  return createTokenizer(spec)
    .encode(text, { addBos: false })
    .map((id) => spec.tokens[id]);
};
const metaspace = (changes: Entries) => ({
  normalizer: null,
  pre_tokenizer: { type: 'Metaspace', replacement: '▁', ...changes },
});

describe('a tokenizer from tokenizer.json', () => {
  it('of bytes has stages, merges and the BOS of its template', () => {
    const spec = read(byteLevel());
    expect(spec).toMatchObject({ kind: 'bpe', bos: 259, addBos: true, addEos: false, ignoreMerges: true });
    expect(spec.preTokenizer).toHaveLength(2);
    expect(createTokenizer(spec).encode('hell<|im_end|>')).toEqual([259, 258, 260]);
  });

  it('of characters has byte fallback and the space before text', () => {
    expect(read(characters())).toMatchObject({
      kind: 'bpe',
      byteFallback: true,
      unknown: 0,
    });
    expect(pieces(characters(), 'hi é')).toEqual(['▁hi', '▁', '<0xC3>', '<0xA9>']);
    expect(pieces(characters(), 'hi<|user|>\n hi')).toEqual(['▁hi', '<|user|>', '▁hi']);
  });

  it('knows the three ways of Metaspace', () => {
    const text = 'hi<|user|>hi';
    expect(pieces(characters(metaspace({ prepend_scheme: 'always' })), text)).toEqual(['▁hi', '<|user|>', '▁hi']);
    expect(pieces(characters(metaspace({ prepend_scheme: 'first', split: false })), text)).toEqual([
      '▁hi',
      '<|user|>',
      'h',
      'i',
    ]);
    expect(pieces(characters(metaspace({ prepend_scheme: 'never' })), text)).toEqual(['h', 'i', '<|user|>', 'h', 'i']);
    expect(pieces(characters(metaspace({ add_prefix_space: true })), ' hi hi')).toEqual(['▁hi', '▁hi']);
  });

  it('takes what tokenizer_config.json says', () => {
    const config = {
      eos_token: { content: '<|im_end|>' },
      bos_token: '<|begin|>',
      pad_token: null,
      add_bos_token: false,
    };
    // the template counts, not the flags
    expect(read(byteLevel(), config)).toMatchObject({ eos: 260, addBos: true });
    expect(read(byteLevel({ post_processor: null }), { ...config, add_bos_token: true })).toMatchObject({
      addBos: true,
    });
    // transformers adds a named token that the vocabulary lacks
    expect(read(byteLevel(), { eos_token: 'nowhere' })).toMatchObject({ eos: 261 });
  });

  it('splits digits, punctuation and spaces as it is told', () => {
    const stages = (...list: unknown[]) =>
      byteLevel({
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [...list, { type: 'ByteLevel', add_prefix_space: false, use_regex: false }],
        },
      });
    const words = (json: Entries, text: string) =>
      pieces(
        {
          ...json,
          model: { vocab: idsOf([...letterOfByte, '12', ',,', 'a1']), merges: ['1 2', ', ,', 'a 1'] },
          added_tokens: [],
          post_processor: null,
        },
        text,
      );
    expect(words(stages({ type: 'Digits', individual_digits: true }), 'a12')).toEqual(['a', '1', '2']);
    expect(words(stages({ type: 'Digits', individual_digits: false }), 'a12')).toEqual(['a', '12']);
    expect(words(stages({ type: 'Punctuation', behavior: 'Isolated' }), 'a,,')).toEqual(['a', ',', ',']);
    expect(words(stages({ type: 'WhitespaceSplit' }), 'a  12')).toEqual(['a', '12']);
    expect(
      words(stages({ type: 'Split', pattern: { String: '.' }, behavior: 'Removed', invert: false }), 'a.12'),
    ).toEqual(['a', '12']);
    expect(words(stages({ type: 'Split', pattern: { Regex: ',+$' }, behavior: 'Removed' }), 'a,,\n12')).toEqual([
      'a',
      'Ċ',
      '12',
    ]);
  });

  it('says key, expected and found', () => {
    const model = byteLevel().model as Entries;
    const cases: [unknown, string][] = [
      [[], 'tokenizer.json: model is missing, expected an object'],
      [7, 'tokenizer.json: the file is 7, expected an object'],
      [
        byteLevel({ model: { ...model, vocab: { a: -1 } } }),
        'tokenizer.json: model.vocab.a is -1, expected an integer from 0 to',
      ],
      [
        byteLevel({ model: { ...model, vocab: { a: 4e9 } } }),
        'tokenizer.json: model.vocab.a is 4000000000, expected an integer',
      ],
      [
        byteLevel({ model: { ...model, merges: ['ab'] } }),
        'tokenizer.json: model.merges[0] is "ab", expected two texts',
      ],
      [byteLevel({ added_tokens: [special(3, 'x')] }), 'tokenizer.json: added_tokens[0].id is 3, expected an id that'],
      [byteLevel({ pre_tokenizer: { type: 4 } }), 'tokenizer.json: pre_tokenizer.type is 4, expected a string'],
    ];
    for (const [json, message] of cases) {
      expect(() => read(json), message).toThrow(FormatError);
      expect(() => read(json)).toThrow(message);
    }
  });

  it('refuses by name what it cannot do exactly', () => {
    const cases: [Entries, string][] = [
      [{ model: { type: 'Trigram' } }, 'model.type "Trigram" is not supported; supported: BPE, Unigram'],
      [{ normalizer: { type: 'Upper' } }, 'normalizer Upper is not supported; supported: Sequence, NFC'],
      [
        { pre_tokenizer: { type: 'UnicodeScripts' } },
        'pre_tokenizer UnicodeScripts is not supported; supported: Sequence',
      ],
      [{ decoder: { type: 'Backwards' } }, 'decoder Backwards is not supported'],
      [{ post_processor: { type: 'Sandwich' } }, 'post_processor Sandwich is not supported'],
    ];
    for (const [changes, message] of cases) {
      expect(() => read(byteLevel(changes)), message).toThrow(UnsupportedError);
      expect(() => read(byteLevel(changes))).toThrow(message);
    }
    const slow = { type: 'Split', pattern: { Regex: '(a+)+(?=b+c)' }, behavior: 'Isolated' };
    expect(() => createTokenizer(read(characters({ pre_tokenizer: slow })))).toThrow(UnsupportedError);
  });

  it('has no trouble with the names of Object.prototype', () => {
    const json = JSON.parse(
      JSON.stringify(characters())
        .replace('"▁hi":', '"__proto__":261,"constructor":264,"▁hi":')
        .replace('"▁hi":261', '"▁hi":263'),
    ) as Entries;
    const spec = read(json);
    expect(spec.tokens[261]).toBe('__proto__');
    expect(createTokenizer(spec).find('toString')).toBeUndefined();
  });

  it('of a mutated file works or ends in a typed error', () => {
    const random = seededRandom(2);
    const bases = [byteLevel(), characters(), characters(metaspace({}))].map((json) => JSON.stringify(json));
    const values = [
      'null',
      '-1',
      '1e9',
      '3',
      'true',
      '""',
      '"a b"',
      '"BPE"',
      '"ByteLevel"',
      '"Split"',
      '[]',
      '{}',
      '"▁"',
      '"(a+)+$"',
    ];
    for (let round = 0; round < 2_000; round++) {
      let text = bases[random.integer(bases.length)];
      for (let change = 0; change <= random.integer(3); change++) {
        // one value, key or string of the file gives way to another
        const at = random.integer(text.length);
        const found = /"[^"]*"|\d+|null|true|false|\[\]|\{\}/g;
        found.lastIndex = at;
        const match = found.exec(text);
        if (match === null) continue;
        text =
          text.slice(0, match.index) +
          values[random.integer(values.length)] +
          text.slice(match.index + match[0].length);
      }
      let json: unknown;
      try {
        json = JSON.parse(text);
      } catch {
        continue;
      }
      try {
        const spec = read(json);
        if (round % 4 !== 0) continue;
        const tokenizer = createTokenizer(spec);
        tokenizer.decode(tokenizer.encode('hell, hi <|user|> é\n'));
      } catch (error) {
        if (!(error instanceof EspalierError)) throw error;
      }
    }
  });
});
