/** Maps the folders of a model type to GGUF: the keys and tensor names that `build` uses. */
import { MOST_HEADS, MOST_LAYERS } from '../limits.ts';
import { activationKind } from './activations.ts';
import type { Fields, FolderConfig } from './config.ts';
import { type FolderRope, type RopeOptions, ropeOf } from './ropeScaling.ts';

export interface FolderFamily {
  /** config.json's model_type values. */
  readonly modelTypes: readonly string[];
  /** Of several families with the same model type: true for a config.json of this one. Families without it come last. */
  accepts?(fields: Fields): boolean;
  /** Defaults of fields that are missing in config.json, from transformers' config class of the model type. */
  readonly defaults: Fields;
  /** GGUF keys for `build`, without the architecture's prefix. */
  metadata(config: FolderConfig): Fields;
  /** Location in the folder of a tensor with this GGUF name. */
  tensor(name: string, config: FolderConfig): FolderTensor;
  /** Queries or keys whose GGUF rows are in the 'interleaved' rotary layout. */
  isInterleavedInGguf?(name: string): boolean;
}

/** Function of an element and its index in row order: `plusOne` for gains that are stored as gain − 1. */
export type ElementChange = (value: number, index: number) => number;

const plusOne: ElementChange = (value) => value + 1;

/** Location of a tensor in a folder, and its conversion to GGUF's form. */
export interface FolderTensor {
  /** Possible names, without a prefix such as 'model.'. */
  readonly names: readonly string[];
  /** True for a matrix that is stored [inputs, outputs]. */
  readonly transposed?: boolean;
  /** Returns the rows in GGUF's order. @param rows number of rows of the folder's tensor */
  readonly order?: (rows: number) => Int32Array;
  /** Applied to all elements, which are then read as F32. */
  readonly change?: ElementChange;
  /** Tensors that are concatenated by rows, one per head. */
  readonly stacked?: readonly string[];
}

/** GGUF names of a block's tensors → their names in Llama's folders. */
const llamaBlock: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

/** 'cls.output' is the classifier of transformers' classes for sequence classification. */
const llamaEnds: Readonly<Record<string, string>> = {
  token_embd: 'embed_tokens',
  output_norm: 'norm',
  'cls.output': 'score',
};

export interface TensorNames {
  /** Name prefix of the blocks. Default: layers. */
  readonly blocks?: string;
  /** Names of a block's tensors, added to Llama's or replacing them; '' removes one. */
  readonly block?: Readonly<Record<string, string>>;
  /** Names outside the blocks. */
  readonly ends?: Readonly<Record<string, string>>;
  /** Default: lm_head. */
  readonly output?: string;
  /** Gains stored as gain − 1. */
  readonly plusOne?: RegExp;
  readonly transposed?: RegExp;
}

export function tensorNames(names: TensorNames = {}): (name: string) => FolderTensor {
  const { blocks = 'layers', output = 'lm_head', transposed } = names;
  const block = { ...llamaBlock, ...names.block };
  const ends = { ...llamaEnds, ...names.ends };
  return (name) => {
    const inBlock = /^blk\.(\d+)\.([\w.]+)\.(weight|bias)$/.exec(name);
    const dot = name.lastIndexOf('.');
    const [end, kind] = [name.slice(0, dot), name.slice(dot + 1)];
    if (end === 'output') return { names: [`${output}.${kind}`] };
    const own = inBlock ? block[inBlock[2]] : ends[end];
    if (!own) return { names: [] };
    return {
      names: [inBlock ? `${blocks}.${inBlock[1]}.${own}.${inBlock[3]}` : `${own}.${kind}`],
      ...(names.plusOne?.test(name) && kind !== 'bias' && inBlock?.[3] !== 'bias' ? { change: plusOne } : {}),
      ...(transposed?.test(name) ? { transposed: true } : {}),
    };
  };
}

/** A family's names of the common config fields. */
export interface FieldNames {
  /** Or the number itself. */
  readonly layers?: string | number;
  readonly width?: string;
  readonly ffn?: string;
  readonly context?: string;
  readonly heads?: string;
  readonly kvHeads?: string;
  readonly headSize?: string;
  readonly rmsEpsilon?: string;
  readonly layerNormEpsilon?: string;
  readonly activation?: string;
}

const llamaFields: Required<Omit<FieldNames, 'layerNormEpsilon' | 'rmsEpsilon'>> = {
  layers: 'num_hidden_layers',
  width: 'hidden_size',
  ffn: 'intermediate_size',
  context: 'max_position_embeddings',
  heads: 'num_attention_heads',
  kvHeads: 'num_key_value_heads',
  headSize: 'head_dim',
  activation: 'hidden_act',
};

/** The sizes, norms and activation that all decoders have. */
export function decoderKeys(config: FolderConfig, names: FieldNames = {}): Record<string, unknown> {
  const fields = { ...llamaFields, ...names };
  const { rmsEpsilon = names.layerNormEpsilon === undefined ? 'rms_norm_eps' : undefined } = fields;
  const [width, heads] = [config.count(fields.width), config.count(fields.heads, MOST_HEADS)];
  return {
    block_count: typeof fields.layers === 'number' ? fields.layers : config.count(fields.layers, MOST_LAYERS),
    embedding_length: width,
    feed_forward_length: config.number(fields.ffn) ?? 4 * width,
    context_length: config.count(fields.context),
    'attention.head_count': heads,
    'attention.head_count_kv': config.number(fields.kvHeads) ?? heads,
    'attention.key_length': config.number(fields.headSize) ?? Math.floor(width / Math.max(1, heads)),
    ...(rmsEpsilon ? { 'attention.layer_norm_rms_epsilon': config.number(rmsEpsilon) } : {}),
    ...(names.layerNormEpsilon ? { 'attention.layer_norm_epsilon': config.number(names.layerNormEpsilon) } : {}),
    'feed_forward.activation': activationKind(config, fields.activation),
    'output.tied': config.flag('tie_word_embeddings'),
    ...(isHeadless(config) ? { 'output.absent': true } : {}),
    ...(config.value('is_causal') === false ? { 'attention.causal': false } : {}),
    vocab_size: config.number('vocab_size'),
  };
}

/** True for transformers' classes without a language model's head: embedders and classifiers. */
function isHeadless(config: FolderConfig): boolean {
  const [className] = config.list('architectures') ?? [];
  return /((?<!LMHead|DoubleHeads)Model|ForSequenceClassification|ForTextEncoding)$/.test(String(className));
}

/** Keys of the rotary embedding. @param keys of {@link decoderKeys} */
export function ropeKeys(
  config: FolderConfig,
  keys: Fields,
  options: Omit<RopeOptions, 'headSize'> = {},
): Record<string, unknown> {
  const headSize = Number(keys['attention.key_length']);
  return ropeKeysOf(ropeOf(config, { headSize, ...options }), headSize);
}

export function ropeKeysOf({ base, scaling, partial }: FolderRope, headSize: number): Record<string, unknown> {
  return {
    'rope.freq_base': base,
    'rope.dimension_count': Math.floor(headSize * partial),
    ...(scaling ? { 'rope.scaling': scaling } : {}),
  };
}

/** Keys of windows, from `layer_types`. @param otherwise the types if the config does not list them */
export function windowKeys(
  config: FolderConfig,
  layers: number,
  otherwise: (layer: number) => boolean,
): Record<string, unknown> {
  const width = config.number('sliding_window');
  const types = config.list('layer_types');
  if (types && types.length < layers)
    throw config.wrong('layer_types', `a list of ${layers}, one for each layer`, types);
  const local = Array.from({ length: layers }, (_, layer) => {
    const type = types?.[layer];
    if (type === undefined) return otherwise(layer);
    if (type !== 'sliding_attention' && type !== 'full_attention')
      throw config.unsupported('layer_types', type, ['full_attention', 'sliding_attention']);
    return type === 'sliding_attention';
  });
  if (!width) {
    if (types && local.includes(true))
      throw config.wrong('sliding_window', 'a number, as layer_types has sliding_attention', width);
    return {};
  }
  return {
    'attention.sliding_window': width,
    'attention.sliding_window_pattern': local.map(Number),
  };
}

/** Keys of biases that the config turns on or off. */
export const biasKeys = (attention: boolean, output: boolean, feedForward: boolean): Record<string, unknown> => ({
  'attention.bias': attention,
  'attention.output_bias': output,
  'feed_forward.bias': feedForward,
});
