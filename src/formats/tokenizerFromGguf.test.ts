import { describe, expect, it } from 'vitest';
import { EspalierError, FormatError, UnsupportedError } from '../core/errors.ts';
import { seededRandom } from '../core/random.ts';
import { letterOfByte } from '../tokenizer/byteAlphabet.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { tokenizerFromGguf } from './tokenizerFromGguf.ts';

type Entries = Record<string, unknown>;

function bpe(changes: Entries = {}): Entries {
  const tokens = [...letterOfByte, 'he', 'll', 'hell', '<|im_end|>', '<extra>'];
  return {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'llama-bpe',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': Int32Array.from(tokens, (_, id) => (id < 259 ? 1 : id === 259 ? 3 : 4)),
    'tokenizer.ggml.merges': ['h e', 'l l', 'he ll'],
    'tokenizer.ggml.bos_token_id': 259,
    'tokenizer.ggml.eos_token_id': 259,
    ...changes,
  };
}

function spm(changes: Entries = {}): Entries {
  const bytes = letterOfByte.map((_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, '▁', 'h', 'i', '▁h', '▁hi', '<|user|>'];
  return {
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.scores': Float32Array.from(tokens, (_, id) => -id),
    'tokenizer.ggml.token_type': tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : id < 264 ? 1 : 3)),
    ...changes,
  };
}

const read = (entries: Entries) => tokenizerFromGguf(new Map(Object.entries(entries)), 'model.gguf');

describe('a tokenizer from GGUF metadata', () => {
  it('of bytes has its merges, pre-tokenizer and added tokens', () => {
    const spec = read(bpe());
    expect(spec).toMatchObject({
      kind: 'bpe',
      preTokenizer: 'llama-bpe',
      bos: 259,
      eos: 259,
      addBos: true,
      addEos: false,
    });
    expect(spec.added).toEqual([
      { id: 259, special: true },
      { id: 260, special: false },
    ]);
    expect(createTokenizer(spec).encode('hell<|im_end|>')).toEqual([259, 258, 259]);
    expect(read(bpe({ 'tokenizer.ggml.add_bos_token': false })).addBos).toBe(false);
    expect(read(bpe({ 'tokenizer.ggml.pre': 'gpt-2' })).addBos).toBe(false);
    expect(read(bpe({ 'tokenizer.ggml.pre': undefined })).preTokenizer).toBe('default');
  });

  it("of characters has scores, and llama.cpp's defaults", () => {
    const spec = read(spm());
    expect(spec).toMatchObject({ kind: 'spm', bos: 1, eos: 2, unknown: 0, addBos: true });
    expect(spec.normalizer).toHaveLength(2);
    const tokenizer = createTokenizer(spec);
    expect(tokenizer.encode('hi').map((id) => spec.tokens[id])).toEqual(['<s>', '▁hi']);
    expect(read(spm({ 'tokenizer.ggml.add_space_prefix': false })).normalizer).toHaveLength(1);
    expect(read(spm({ 'tokenizer.ggml.padding_token_id': 0xffffffff })).padding).toBeUndefined();
  });

  it('of Phi-3 takes the space after its special tokens, which the file does not say', () => {
    const spec = read(spm({ 'general.name': 'Phi3 mini' }));
    const tokenizer = createTokenizer(spec);
    expect(tokenizer.encode('<|user|> \nhi', { addBos: false }).map((id) => spec.tokens[id])).toEqual([
      '<|user|>',
      '▁hi',
    ]);
    expect(tokenizer.encode('<s> hi', { addBos: false }).map((id) => spec.tokens[id])).toEqual(['<s>', '▁', '▁hi']);
  });

  it.each([
    [{ 'tokenizer.ggml.model': undefined }, 'model.gguf: tokenizer.ggml.model is missing, expected a string'],
    [{ 'tokenizer.ggml.tokens': 7 }, 'model.gguf: tokenizer.ggml.tokens is 7, expected an array'],
    [{ 'tokenizer.ggml.tokens': ['a', 7] }, 'model.gguf: tokenizer.ggml.tokens[1] is 7, expected a string'],
    [
      { 'tokenizer.ggml.merges': undefined },
      'model.gguf: tokenizer.ggml.merges is missing, expected an array of strings',
    ],
    [
      { 'tokenizer.ggml.merges': ['h e', 'x'] },
      'model.gguf: tokenizer.ggml.merges[1] is "x", expected two texts with a space between',
    ],
    [
      { 'tokenizer.ggml.token_type': [1] },
      'model.gguf: tokenizer.ggml.token_type is an array of 1 values, expected one value for each of 261 tokens',
    ],
    [{ 'tokenizer.ggml.eos_token_id': 'end' }, 'model.gguf: tokenizer.ggml.eos_token_id is "end", expected a token id'],
    [{ 'tokenizer.ggml.add_bos_token': 1 }, 'model.gguf: tokenizer.ggml.add_bos_token is 1, expected a boolean'],
  ])('says key, expected and found: %o', (changes, message) => {
    expect(() => read(bpe(changes))).toThrow(FormatError);
    expect(() => read(bpe(changes))).toThrow(message);
  });

  it('needs scores where there are no merges', () => {
    expect(() => read(spm({ 'tokenizer.ggml.scores': undefined }))).toThrow('tokenizer.ggml.scores is missing');
  });

  it('of another kind, or split in an unknown way, is refused with the list of what there is', () => {
    expect(() => read(bpe({ 'tokenizer.ggml.model': 'rwkv' }))).toThrow(UnsupportedError);
    expect(() => read(bpe({ 'tokenizer.ggml.model': 'rwkv' }))).toThrow('supported: gpt2, llama, bert, t5');
    expect(() => read(bpe({ 'tokenizer.ggml.pre': 'martian' }))).toThrow(/pre-tokenizer martian .* supported: .*qwen2/);
  });

  it('of mutated metadata works or ends in a typed error', () => {
    const random = seededRandom(1);
    const bases = [bpe(), spm()];
    const scalars: unknown[] = [
      undefined,
      null,
      -1,
      0,
      3,
      1e9,
      Number.NaN,
      2n ** 60n,
      true,
      '',
      'a b',
      'llama',
      'gpt2',
      'qwen2',
      [],
      {},
      new Map(),
    ];
    for (let round = 0; round < 2_000; round++) {
      const entries = { ...bases[random.integer(2)] };
      for (let change = 0; change <= random.integer(3); change++) {
        const keys = Object.keys(entries);
        const key = keys[random.integer(keys.length)];
        const value = entries[key];
        const replacement = scalars[random.integer(scalars.length)];
        if (Array.isArray(value) && random.uniform() < 0.7) {
          const copy: unknown[] = value.slice(0, random.uniform() < 0.3 ? random.integer(value.length) : value.length);
          copy[random.integer(copy.length + 1)] =
            random.uniform() < 0.5 ? replacement : value[random.integer(value.length)];
          entries[key] = copy;
        } else entries[key] = replacement;
      }
      try {
        const spec = read(entries);
        if (round % 4 !== 0) continue;
        const tokenizer = createTokenizer(spec);
        tokenizer.decode(tokenizer.encode('hell, hi <|user|> é\n'));
      } catch (error) {
        if (!(error instanceof EspalierError)) throw error;
      }
    }
  });
});

describe('a WordPiece vocabulary', () => {
  const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '▁e', '▁é', '▁E', '▁É'];
  const piecesOf = (changes: Entries): string => {
    const entries = {
      'tokenizer.ggml.model': 'bert',
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.unknown_token_id': 1,
      'tokenizer.ggml.bos_token_id': 2,
      'tokenizer.ggml.seperator_token_id': 3,
      ...changes,
    };
    const ids = createTokenizer(read(entries)).encode('É', { addBos: false, addEos: false });
    return ids.map((id) => tokens[id]).join();
  };
  const [lowercase, accents] = ['lowercase', 'strip_accents'].map((name) => `tokenizer.ggml.normalizer.${name}`);

  it('is normalized as the file says; accents are kept with the case unless it says otherwise', () => {
    expect(piecesOf({})).toBe('▁e');
    expect(piecesOf({ [lowercase]: false })).toBe('▁É');
    expect(piecesOf({ [lowercase]: false, [accents]: true })).toBe('▁E');
    expect(piecesOf({ [accents]: false })).toBe('▁é');
  });
});
