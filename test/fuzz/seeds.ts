/** Small valid files, made with our own writers, for the fuzzers to corrupt. */
import { type GgufValue, ggufBytes } from '../../src/formats/gguf/write.ts';
import { safetensorsBytes } from '../../src/formats/safetensors/write.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { gemma4Vocabulary } from '../tokenizers/vocabularies.ts';

const F32 = formatByName('F32');
const WIDTH = 32;
const FFN = 64;
const words = [
  '<unk>',
  '<s>',
  '</s>',
  '▁the',
  '▁a',
  '▁',
  't',
  'h',
  'e',
  'a',
  'th',
  'he',
  'the',
  '<0x0A>',
  '<|im_end|>',
];
const byteWords = ['<|endoftext|>', 'Ġthe', 'Ġa', 'Ġ', 't', 'h', 'e', 'a', 'th', 'he', 'the', 'Ċ', '<|im_end|>'];
const merges = ['t h', 'th e', 'Ġ the', 'h e', 'Ġ a'];

const wordPieces = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '▁the', '▁he', 't', 'h', 'e', 'at', '▁h', '▁2'];
const unigrams = ['<s>', '<pad>', '</s>', '<unk>', '▁', '▁the', 'he', 'at', 'h', 'e', 'a', 't'];
/** A map of no characters: the size of its trie, then the trie. */
const characterMap = Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0);

/** SentencePiece, byte-level BPE, WordPiece, unigram and Gemma 4's vocabularies as GGUF metadata. */
export const tokenizerMetadata: readonly ReadonlyMap<string, GgufValue>[] = [
  new Map<string, GgufValue>([
    ['tokenizer.ggml.model', 'llama'],
    ['tokenizer.ggml.tokens', words],
    ['tokenizer.ggml.scores', words.map((_, i) => -i)],
    ['tokenizer.ggml.token_type', words.map((_, i) => (i < 3 ? 3 : 1))],
    ['tokenizer.ggml.bos_token_id', 1],
    ['tokenizer.ggml.eos_token_id', 2],
    ['tokenizer.ggml.add_bos_token', true],
    ['tokenizer.ggml.add_space_prefix', true],
  ]),
  new Map<string, GgufValue>([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', 'qwen2'],
    ['tokenizer.ggml.tokens', byteWords],
    ['tokenizer.ggml.token_type', byteWords.map((_, i) => (i === 0 ? 3 : 1))],
    ['tokenizer.ggml.merges', merges],
    ['tokenizer.ggml.bos_token_id', 0],
    ['tokenizer.ggml.eos_token_id', 0],
    ['tokenizer.chat_template', '{% for m in messages %}{{ m.content }}{% endfor %}'],
  ]),
  new Map<string, GgufValue>([
    ['tokenizer.ggml.model', 'bert'],
    ['tokenizer.ggml.tokens', wordPieces],
    ['tokenizer.ggml.token_type', wordPieces.map((_, i) => (i < 4 ? 3 : 1))],
    ['tokenizer.ggml.cls_token_id', 2],
    ['tokenizer.ggml.seperator_token_id', 3],
    ['tokenizer.ggml.bos_token_id', 2],
    ['tokenizer.ggml.unknown_token_id', 1],
  ]),
  new Map<string, GgufValue>([
    ['tokenizer.ggml.model', 't5'],
    ['tokenizer.ggml.tokens', unigrams],
    ['tokenizer.ggml.scores', unigrams.map((_, i) => -i)],
    ['tokenizer.ggml.token_type', unigrams.map((_, i) => (i === 3 ? 2 : i < 3 ? 3 : 1))],
    ['tokenizer.ggml.bos_token_id', 0],
    ['tokenizer.ggml.eos_token_id', 2],
    ['tokenizer.ggml.unknown_token_id', 3],
    ['tokenizer.ggml.add_bos_token', true],
    ['tokenizer.ggml.add_sep_token', true],
    ['tokenizer.ggml.add_space_prefix', true],
    ['tokenizer.ggml.remove_extra_whitespaces', true],
    ['tokenizer.ggml.precompiled_charsmap', characterMap],
  ]),
  new Map<string, GgufValue>(Object.entries(gemma4Vocabulary())),
];

/** Vocabulary-only GGUF files. */
export function vocabularies(): Promise<Uint8Array[]> {
  return Promise.all(tokenizerMetadata.map((metadata) => ggufBytes({ metadata, tensors: [] })));
}

/** A llama of one layer, and a file with every kind of metadata and block format. */
export async function ggufModels(): Promise<Uint8Array[]> {
  const llama = await ggufBytes({
    metadata: [
      ['general.architecture', 'llama'],
      ['llama.block_count', 1],
      ['llama.context_length', 64],
      ['llama.embedding_length', WIDTH],
      ['llama.feed_forward_length', FFN],
      ['llama.attention.head_count', 2],
      ['llama.attention.head_count_kv', 1],
      ['llama.attention.layer_norm_rms_epsilon', 1e-5],
      ['llama.rope.freq_base', 10000],
    ],
    tensors: [
      zeros('token_embd.weight', 8, WIDTH),
      zeros('output_norm.weight', WIDTH),
      zeros('blk.0.attn_norm.weight', WIDTH),
      zeros('blk.0.attn_q.weight', WIDTH, WIDTH),
      zeros('blk.0.attn_k.weight', WIDTH / 2, WIDTH),
      zeros('blk.0.attn_v.weight', WIDTH / 2, WIDTH),
      zeros('blk.0.attn_output.weight', WIDTH, WIDTH),
      zeros('blk.0.ffn_norm.weight', WIDTH),
      zeros('blk.0.ffn_gate.weight', FFN, WIDTH),
      zeros('blk.0.ffn_up.weight', FFN, WIDTH),
      zeros('blk.0.ffn_down.weight', WIDTH, FFN),
    ].map((tensor) => ({
      ...tensor,
      format: formatByName('Q4_0'),
      data: new Uint8Array(tensor.data.length * (18 / 128)),
    })),
  });
  const mixed = await ggufBytes({
    metadata: [
      ['general.alignment', 64],
      ['flag', true],
      ['small', { type: 'i8', value: -5 }],
      ['large', { type: 'u64', value: 2n ** 63n }],
      ['double', { type: 'f64', value: 0.5 }],
      ['flags', [true, false]],
      ['texts', ['a', 'é', '']],
      ['nested', { type: 'u16[][]', value: [[1], [2, 3], []] }],
    ],
    tensors: [zeros('empty', 0), zeros('vector', 3), zeros('box', 2, 2, 2), zeros('matrix', 4, 4)],
  });
  return [llama, mixed];
}

/** The config.json of models with the tensors of `llamaSafetensors`. */
export const configs: readonly Readonly<Record<string, unknown>>[] = [
  {
    model_type: 'llama',
    hidden_size: WIDTH,
    intermediate_size: FFN,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    vocab_size: 8,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    max_position_embeddings: 64,
    tie_word_embeddings: true,
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 32,
    },
  },
  { model_type: 'gpt_neo', hidden_size: WIDTH, num_layers: 1, num_heads: 2, attention_types: [[['global'], 1]] },
  { model_type: 'gpt2', n_embd: WIDTH, n_layer: 1, n_head: 2, n_positions: 64, layer_norm_epsilon: 1e-5 },
];

export function llamaSafetensors(): Promise<Uint8Array> {
  const layer = (name: string, ...shape: number[]) => zeros(`model.layers.0.${name}.weight`, ...shape);
  return safetensorsBytes({
    metadata: [['format', 'pt']],
    tensors: [
      zeros('model.embed_tokens.weight', 8, WIDTH),
      zeros('model.norm.weight', WIDTH),
      layer('input_layernorm', WIDTH),
      layer('self_attn.q_proj', WIDTH, WIDTH),
      layer('self_attn.k_proj', WIDTH / 2, WIDTH),
      layer('self_attn.v_proj', WIDTH / 2, WIDTH),
      layer('self_attn.o_proj', WIDTH, WIDTH),
      layer('post_attention_layernorm', WIDTH),
      layer('mlp.gate_proj', FFN, WIDTH),
      layer('mlp.up_proj', FFN, WIDTH),
      layer('mlp.down_proj', WIDTH, FFN),
    ],
  });
}

const vocabulary = (list: readonly string[]) => Object.fromEntries(list.map((text, id) => [text, id]));
const special = (id: number, content: string) => ({ id, content, special: true, lstrip: false, rstrip: false });

const textPart = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
const tokenPart = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
const specialPart = (id: number, content: string) => ({ [content]: { id: content, ids: [id], tokens: [content] } });

/** tokenizer.json files: byte-level BPE with a pattern, SentencePiece-style, WordPiece and unigram. */
export const tokenizerJsons: readonly Readonly<Record<string, unknown>>[] = [
  {
    version: '1.0',
    added_tokens: [special(0, '<|endoftext|>'), special(12, '<|im_end|>')],
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+" },
          behavior: 'Isolated',
          invert: false,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      unk_token: null,
      byte_fallback: false,
      ignore_merges: true,
      vocab: vocabulary(byteWords),
      merges,
    },
  },
  {
    version: '1.0',
    added_tokens: [special(0, '<unk>'), special(1, '<s>'), special(2, '</s>')],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }],
    },
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab: vocabulary(words),
      merges: [
        ['t', 'h'],
        ['th', 'e'],
        ['▁', 'the'],
      ],
    },
  },
  {
    version: '1.0',
    added_tokens: [special(1, '[UNK]'), special(2, '[CLS]'), special(3, '[SEP]')],
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [tokenPart('[CLS]', 0), textPart('A', 0), tokenPart('[SEP]', 0)],
      pair: [tokenPart('[CLS]', 0), textPart('A', 0), tokenPart('[SEP]', 0), textPart('B', 1), tokenPart('[SEP]', 1)],
      special_tokens: { ...specialPart(2, '[CLS]'), ...specialPart(3, '[SEP]') },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: vocabulary(wordPieces.map((piece) => (/^[▁[]/.test(piece) ? piece.replace('▁', '') : `##${piece}`))),
    },
  },
  {
    version: '1.0',
    added_tokens: [special(0, '<s>'), special(2, '</s>'), special(3, '<unk>')],
    normalizer: { type: 'Precompiled', precompiled_charsmap: btoa(String.fromCharCode(...characterMap)) },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [{ type: 'WhitespaceSplit' }, { type: 'Metaspace', replacement: '▁', add_prefix_space: true }],
    },
    post_processor: {
      type: 'TemplateProcessing',
      single: [tokenPart('<s>', 0), textPart('A', 0), tokenPart('</s>', 0)],
      pair: [tokenPart('<s>', 0), textPart('A', 0), tokenPart('</s>', 0), tokenPart('</s>', 0), textPart('B', 0)],
      special_tokens: { ...specialPart(0, '<s>'), ...specialPart(2, '</s>') },
    },
    decoder: { type: 'Metaspace', replacement: '▁', add_prefix_space: true },
    model: { type: 'Unigram', unk_id: 3, vocab: unigrams.map((piece, i) => [piece, -i]) },
  },
];

function zeros(name: string, ...shape: number[]) {
  const elements = shape.reduce((product, size) => product * size, 1);
  return { name, format: F32, shape, data: new Uint8Array(4 * elements) };
}
