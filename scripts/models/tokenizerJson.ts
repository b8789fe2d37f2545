/** The toy tokenizers as Hugging Face's tokenizer.json and tokenizer_config.json. */
import type { Tokenizer } from './architectures.ts';
import { mergesOf, type Pieces } from './pieces.ts';

/** The cuts of tokenizers newer than GPT-2's own, by llama.cpp's names. */
const wordPatterns: Readonly<Record<string, string>> = {
  'llama-bpe':
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  qwen2:
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
};

export function tokenizerJson(pieces: Pieces, tokenizer: Tokenizer): Record<string, unknown> {
  const model = {
    type: 'BPE',
    dropout: null,
    unk_token: pieces.kind === 'spm' ? '<unk>' : null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: pieces.kind === 'spm',
    byte_fallback: pieces.kind === 'spm',
    ignore_merges: false,
    vocab: Object.fromEntries(pieces.tokens.map((token, id) => [token, id])),
    merges: (pieces.kind === 'spm' ? mergesOf(pieces) : pieces.merges).map((pair) => [...pair]),
  };
  const bos = bosOf(pieces, tokenizer);
  const parts =
    pieces.kind === 'spm' ? sentencePieceParts : byteLevelParts(String(tokenizer.metadata(pieces)['ggml.pre']));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: pieces.special.map((id) => ({
      id,
      content: pieces.tokens[id],
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    ...parts,
    post_processor: bos === undefined ? (parts.post_processor ?? null) : beginningWith(bos, pieces.tokens[bos]),
    model,
  };
}

export function tokenizerConfig(pieces: Pieces, tokenizer: Tokenizer): Record<string, unknown> {
  const metadata = tokenizer.metadata(pieces);
  return {
    tokenizer_class: pieces.kind === 'spm' ? 'LlamaTokenizerFast' : 'PreTrainedTokenizerFast',
    bos_token: pieces.tokens[Number(metadata['ggml.bos_token_id'])],
    eos_token: pieces.tokens[Number(metadata['ggml.eos_token_id'])],
    add_bos_token: metadata['ggml.add_bos_token'],
    add_eos_token: false,
    ...(metadata.chat_template === undefined ? {} : { chat_template: metadata.chat_template }),
  };
}

function bosOf(pieces: Pieces, tokenizer: Tokenizer): number | undefined {
  const metadata = tokenizer.metadata(pieces);
  return metadata['ggml.add_bos_token'] ? Number(metadata['ggml.bos_token_id']) : undefined;
}

function beginningWith(id: number, token: string): Record<string, unknown> {
  const bos = { SpecialToken: { id: token, type_id: 0 } };
  const text = (part: string) => ({ Sequence: { id: part, type_id: 0 } });
  return {
    type: 'TemplateProcessing',
    single: [bos, text('A')],
    pair: [bos, text('A'), bos, text('B')],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}

const sentencePieceParts: Readonly<Record<string, unknown>> = {
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ],
  },
  pre_tokenizer: null,
  decoder: {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ],
  },
};

/** @param pre llama.cpp's name of the cut into words */
function byteLevelParts(pre: string): Readonly<Record<string, unknown>> {
  const byteLevel = (useRegex: boolean) => ({
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: useRegex,
  });
  const split = (Regex: string) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false });
  const digits = { type: 'Digits', individual_digits: true };
  const sequence = (...pretokenizers: unknown[]) => ({ type: 'Sequence', pretokenizers });
  const cut: Readonly<Record<string, unknown>> = {
    'gpt-2': byteLevel(true),
    smollm: sequence(digits, byteLevel(true)),
    'llama-bpe': sequence(split(wordPatterns['llama-bpe']), byteLevel(false)),
    qwen2: sequence(split(wordPatterns.qwen2), byteLevel(false)),
  };
  return {
    normalizer: pre === 'qwen2' ? { type: 'NFC' } : null,
    pre_tokenizer: cut[pre],
    post_processor: byteLevel(true),
    decoder: byteLevel(true),
  };
}
