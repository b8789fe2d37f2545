/** Writes the embedders of `embedderPlans` as GGUF files and as Hugging Face folders with the same weights. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { memorySink } from '../../src/formats/byteSink.ts';
import { type GgufValue, writeGguf } from '../../src/formats/gguf/write.ts';
import { safetensorsBytes } from '../../src/formats/safetensors/write.ts';
import { FolderConfig } from '../../src/models/folders/config.ts';
import type { ElementChange } from '../../src/models/folders/family.ts';
import { architectures } from '../../src/models/index.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import type { EmbedderPlan } from './embedders.ts';
import { SIZES } from './embedderTensors.ts';
import { valuesOf } from './weights.ts';

const SEED = 5;

/** WordPiece: special tokens, then a to z at the start of a word, then inside one. */
export const wordPieces: readonly string[] = [
  ...['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'],
  ...[...'abcdefghijklmnopqrstuvwxyz'].flatMap((letter) => [letter, `##${letter}`]),
  ...['the', '##er', 'pear', '##ing', 'wall', ',', '.'],
];

/** The GGUF file, with the vocabulary as llama.cpp's converter writes it. */
export async function embedderGguf({ family, name, metadata, tensors, dense = [] }: EmbedderPlan): Promise<Uint8Array> {
  const sink = memorySink();
  const format = formatByName('F32');
  const tokens = wordPieces.map((piece, id) =>
    id < 5 ? piece : piece.startsWith('##') ? piece.slice(2) : `▁${piece}`,
  );
  const types = Int32Array.from(wordPieces, (_, id) => (id === 1 ? 2 : id < 5 ? 3 : 1));
  await writeGguf(sink, {
    metadata: new Map<string, GgufValue>([
      ['general.architecture', family],
      ['general.name', `random ${name}`],
      ['general.quantization_version', 2],
      ...Object.entries(metadata).map(([key, value]): [string, GgufValue] => [`${family}.${key}`, value]),
      ['tokenizer.ggml.model', 'bert'],
      ['tokenizer.ggml.pre', 'default'],
      ['tokenizer.ggml.token_type_count', 2],
      ['tokenizer.ggml.tokens', tokens],
      ['tokenizer.ggml.token_type', types],
      ['tokenizer.ggml.bos_token_id', 2],
      ['tokenizer.ggml.eos_token_id', 3],
      ['tokenizer.ggml.seperator_token_id', 3],
      ['tokenizer.ggml.unknown_token_id', 1],
      ['tokenizer.ggml.padding_token_id', 0],
      ['tokenizer.ggml.mask_token_id', 4],
      ...(name === 'qwen3-reranker'
        ? [['tokenizer.chat_template.rerank', RERANK_TEMPLATE] as [string, GgufValue]]
        : []),
    ]),
    tensors: [...tensors, ...dense].map((plan) => ({
      name: plan.name,
      shape: plan.shape,
      format,
      data: () => new Uint8Array(valuesOf(plan, SEED).buffer),
    })),
  });
  return sink.bytes();
}

const RERANK_TEMPLATE = '[CLS] the {query} . {document} [SEP]';

/** Writes the folder: config.json, tokenizer.json, model.safetensors, and the files of sentence-transformers. */
export async function writeEmbedderFolder(folder: string, plan: EmbedderPlan): Promise<void> {
  const { config: fields, className, prefix = '', tensors, head: heads = [], dense = [], pooling } = plan;
  if (!fields) throw new Error(`${plan.name} has no folder`);
  const own = { ...fields, ...(className ? { architectures: [className] } : {}) };
  const families = architectures.flatMap(({ folders = [] }) => folders);
  const named = families.filter(({ modelTypes }) => modelTypes.includes(String(fields.model_type)));
  const family = named.find(({ accepts }) => accepts?.(own)) ?? named.find(({ accepts }) => !accepts)!;
  const read = new FolderConfig(folder, own, family.defaults);
  const format = formatByName('F32');
  const inFolder = [...tensors, ...heads].map((tensor) => {
    const { names, change } = family.tensor(tensor.name, read);
    const isHead = tensor.name.startsWith('cls') && !names[0].startsWith('pooler');
    const values = valuesOf(tensor, SEED).map((value) => (change ? beforeChange(change, value) : value));
    return {
      name: (isHead ? '' : prefix) + names[0],
      shape: tensor.shape,
      format,
      data: () => new Uint8Array(values.buffer),
    };
  });
  const json = (file: string, value: unknown) => writeFile(join(folder, file), JSON.stringify(value));
  await mkdir(folder, { recursive: true });
  await json('config.json', own);
  await json('tokenizer.json', tokenizer());
  await json('tokenizer_config.json', {
    tokenizer_class: 'BertTokenizer',
    cls_token: '[CLS]',
    sep_token: '[SEP]',
    pad_token: '[PAD]',
    unk_token: '[UNK]',
    mask_token: '[MASK]',
  });
  await writeFile(join(folder, 'model.safetensors'), await safetensorsBytes({ tensors: inFolder }));
  if (!pooling) return;
  const module = (idx: number, path: string, type: string) => ({
    idx,
    name: String(idx),
    path,
    type: `sentence_transformers.models.${type}`,
  });
  await json('modules.json', [
    module(0, '', 'Transformer'),
    module(1, '1_Pooling', 'Pooling'),
    ...dense.map((_, i) => module(2 + i, `${2 + i}_Dense`, 'Dense')),
    module(2 + dense.length, `${2 + dense.length}_Normalize`, 'Normalize'),
  ]);
  await json('sentence_bert_config.json', { max_seq_length: SIZES.context, do_lower_case: false });
  await mkdir(join(folder, '1_Pooling'), { recursive: true });
  await json('1_Pooling/config.json', {
    word_embedding_dimension: SIZES.width,
    pooling_mode_cls_token: pooling === 'cls',
    pooling_mode_mean_tokens: pooling === 'mean',
    pooling_mode_max_tokens: false,
    pooling_mode_mean_sqrt_len_tokens: false,
    pooling_mode_weightedmean_tokens: false,
    pooling_mode_lasttoken: pooling === 'lasttoken',
    include_prompt: true,
  });
  for (const [i, layer] of dense.entries()) {
    await mkdir(join(folder, `${2 + i}_Dense`), { recursive: true });
    await json(`${2 + i}_Dense/config.json`, {
      in_features: layer.shape[1],
      out_features: layer.shape[0],
      bias: false,
      activation_function: 'torch.nn.modules.linear.Identity',
    });
    const tensor = {
      name: 'linear.weight',
      shape: layer.shape,
      format,
      data: () => new Uint8Array(valuesOf(layer, SEED).buffer),
    };
    await writeFile(join(folder, `${2 + i}_Dense/model.safetensors`), await safetensorsBytes({ tensors: [tensor] }));
  }
}

/** What a folder stores of an element, if its reader adds a number. @throws {Error} for any other change */
function beforeChange(change: ElementChange, value: number): number {
  const added = change(0, 0);
  const stored = value - added;
  if (Math.abs(change(stored, 0) - value) > 1e-6)
    throw new Error('a folder of a change that is not a sum is not written here');
  return stored;
}

function tokenizer() {
  const special = wordPieces.slice(0, 5).map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const token = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  const single = [token('[CLS]', 0), text('A', 0), token('[SEP]', 0)];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special,
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
      single,
      pair: [...single, text('B', 1), token('[SEP]', 1)],
      special_tokens: Object.fromEntries(
        ['[CLS]', '[SEP]'].map((content) => [
          content,
          { id: content, ids: [wordPieces.indexOf(content)], tokens: [content] },
        ]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(wordPieces.map((piece, id) => [piece, id])),
    },
  };
}
