/** What a folder's config or a GGUF file's metadata says is done or refused by name. Models of one layer, in memory. */
import { describe, expect, it } from 'vitest';
import { FormatError, UnsupportedError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import type { AttentionAttributes } from '../graph/ops/attention.ts';
import type { RopeAttributes } from '../graph/ops/rope.ts';
import { formatByName } from '../tensor/formats.ts';
import { buildModel } from './buildModel.ts';

const F32 = formatByName('F32');

function tensor(name: string, shape: readonly number[]): CheckpointTensor {
  const byteLength = 4 * shape.reduce((product, size) => product * size, 1);
  return { name, format: F32, shape, byteLength, read: async (_, into) => void into.fill(0) };
}

const folderTensors: Readonly<Record<string, readonly number[]>> = {
  'embed_tokens.weight': [16, 8],
  'norm.weight': [8],
  'layers.0.input_layernorm.weight': [8],
  'layers.0.self_attn.q_proj.weight': [8, 8],
  'layers.0.self_attn.k_proj.weight': [4, 8],
  'layers.0.self_attn.v_proj.weight': [4, 8],
  'layers.0.self_attn.o_proj.weight': [8, 8],
  'layers.0.post_attention_layernorm.weight': [8],
  'layers.0.mlp.gate_proj.weight': [12, 8],
  'layers.0.mlp.up_proj.weight': [12, 8],
  'layers.0.mlp.down_proj.weight': [8, 12],
};

const config = {
  model_type: 'llama',
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 64,
};

/** @param change fields of config.json @param prefix of the tensors' names @param more tensors, undefined ones are left out */
function folder(change: object, prefix = 'model.', more: Record<string, readonly number[] | undefined> = {}) {
  const shapes = Object.entries({ ...folderTensors }).map(([name, shape]) => [prefix + name, shape] as const);
  return checkpoint(
    'huggingface',
    { ...config, ...change },
    { ...Object.fromEntries(shapes), 'lm_head.weight': [16, 8], ...more },
  );
}

function checkpoint(
  kind: Checkpoint['kind'],
  metadata: object,
  shapes: Readonly<Record<string, readonly number[] | undefined>>,
): Checkpoint {
  const present = Object.entries(shapes).filter(
    (entry): entry is [string, readonly number[]] => entry[1] !== undefined,
  );
  const tensors = new Map(present.map(([name, shape]) => [name, tensor(name, shape)]));
  return {
    name: 'tiny',
    kind,
    metadata: new Map(Object.entries(metadata)),
    tensors,
    byteLength: 0,
    close: async () => undefined,
  };
}

/** Attributes of the first node of an op. */
function attributesOf<A>(model: Checkpoint, op: string): A {
  return buildModel(model)
    .graph.live()
    .find((node) => node.op.name === op)!.attributes as A;
}

const rope = (change: object) => attributesOf<RopeAttributes>(folder(change), 'rope');

describe('a folder', () => {
  it.each([
    ['num_hidden_layers', { num_hidden_layers: 2 ** 31 }],
    ['num_attention_heads', { num_attention_heads: 2 ** 31 }],
    ['num_key_value_heads', { model_type: 'stablelm', num_key_value_heads: 1e9, qk_layernorm: true }],
    ['hidden_size', { hidden_size: 2 ** 30 }],
    ['attention_types', { model_type: 'gpt_neo', num_layers: 1, num_heads: 2, attention_types: [[[], 1e300]] }],
  ])('is refused for an absurd %s, before tables of that size are made', (_, change) => {
    expect(() => buildModel(folder(change))).toThrow(FormatError);
  });

  it('has the defaults of its model type', () => {
    expect(attributesOf<{ epsilon: number }>(folder({}), 'rmsNorm').epsilon).toBe(1e-6);
  });

  it.each([
    ['hidden_act', { hidden_act: 'relu' }, 'activation', { kind: 'relu' }],
    ['hidden_act gelu', { hidden_act: 'gelu' }, 'activation', { kind: 'geluErf' }],
  ])('computes with %s', (_, change, op, attributes) => {
    expect(attributesOf(folder(change), op)).toMatchObject(attributes);
  });

  it('scales its rotary embedding as transformers does', () => {
    const scaling = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16 };
    expect(rope({ rope_scaling: scaling }).magnitude).toBeCloseTo(1 + 0.1 * Math.log(4), 12);
    expect(rope({ rope_scaling: { ...scaling, attention_factor: 0.5 } }).magnitude).toBe(0.5);
    expect(rope({ rope_scaling: { ...scaling, factor: 0.5 } }).magnitude).toBe(1);
    // the factor of attention counts for yarn and longrope alone
    expect(rope({ rope_scaling: { type: 'linear', factor: 2, attention_factor: 3 } })).toMatchObject({ magnitude: 1 });
    const long = {
      rope_type: 'longrope',
      short_factor: [1, 2],
      long_factor: [4, 8],
      original_max_position_embeddings: 16,
    };
    const found = rope({ rope_scaling: long });
    expect(found.magnitude).toBeCloseTo(Math.sqrt(1 + Math.log(4) / Math.log(16)), 12);
    expect(found.frequencies[1]).toBeCloseTo(0.01 / 2, 8);
    expect(found.beyond?.length).toBe(16);
    expect(found.beyond?.frequencies[1]).toBeCloseTo(0.01 / 8, 8);
    // an empty rope_scaling is none; the base inside goes before the one outside
    expect(rope({ rope_scaling: {}, rope_parameters: { rope_theta: 100 }, rope_theta: 7 }).frequencies[1]).toBeCloseTo(
      0.1,
      6,
    );
  });

  it('has windows where its config says so', () => {
    const window = (change: object) =>
      attributesOf<AttentionAttributes>(folder({ model_type: 'mistral', ...change }), 'attention').window;
    expect(window({ sliding_window: 4 })).toBe(4);
    expect(window({ sliding_window: 4, layer_types: ['full_attention'] })).toBe(0);
    expect(window({ sliding_window: null })).toBe(0);
  });

  it('may lack the prefix of its names, or hold a tied pair under the name of the head', () => {
    expect(() => buildModel(folder({}, ''))).not.toThrow();
    const tied = folder({ tie_word_embeddings: true }, 'model.', { 'model.embed_tokens.weight': undefined });
    expect(() => buildModel(tied)).not.toThrow();
  });

  it.each([
    [
      'a head that is missing',
      folder({}, 'model.', { 'lm_head.weight': undefined }),
      FormatError,
      /lm_head\.weight is missing/,
    ],
    ['an unknown prefix', folder({}, 'module.model.'), FormatError, /there is module\.model\.embed_tokens\.weight/],
    [
      'a shape',
      folder({ head_dim: 8 }),
      FormatError,
      /model\.layers\.0\.self_attn\.q_proj\.weight has shape \[8, 8\], expected \[16, 8\]/,
    ],
    [
      'biases that the config denies',
      folder({}, 'model.', { 'model.layers.0.self_attn.q_proj.bias': [8] }),
      UnsupportedError,
      /q_proj\.bias/,
    ],
    [
      'a layer too many',
      folder({}, 'model.', { 'model.layers.1.mlp.up_proj.weight': [12, 8] }),
      FormatError,
      /of block 1/,
    ],
    [
      'GPTQ',
      folder({ quantization_config: { quant_method: 'gptq', bits: 4 } }),
      UnsupportedError,
      /quantized \(gptq, bits 4\)/,
    ],
    [
      'MLX',
      folder({ quantization: { group_size: 64, bits: 4 } }),
      UnsupportedError,
      /quantized \(MLX, group_size 64, bits 4\)/,
    ],
    ['an unknown activation', folder({ hidden_act: 'mish' }), UnsupportedError, /hidden_act "mish"/],
    [
      'an unknown scaling',
      folder({ rope_scaling: { type: 'su', factor: 2 } }),
      UnsupportedError,
      /rope_scaling of type "su"/,
    ],
    [
      'a field that would change the result',
      folder({ attn_logit_softcapping: 30 }),
      UnsupportedError,
      /attn_logit_softcapping 30/,
    ],
    [
      'a window without causality',
      folder({ model_type: 'mistral', sliding_window: 4, is_causal: false }),
      UnsupportedError,
      /attention\.causal = false with a sliding window of 4/,
    ],
    ['experts', folder({ num_local_experts: 8 }), UnsupportedError, /num_local_experts 8/],
  ])('is refused by name for %s', (_, model, kind, message) => {
    expect(() => buildModel(model)).toThrow(kind);
    expect(() => buildModel(model)).toThrow(message);
  });

  it('weights that a quantizer left, though the config does not mention it', () => {
    const quantized = {
      'model.layers.0.self_attn.q_proj.weight': undefined,
      'model.layers.0.self_attn.q_proj.qweight': [1, 8],
    };
    expect(() => buildModel(folder({}, 'model.', quantized))).toThrow(
      /q_proj\.qweight shows .* quantized \(GPTQ or AWQ\)/,
    );
    expect(() => buildModel(folder({}, 'model.', quantized))).toThrow(UnsupportedError);
  });
});

describe('a GGUF file', () => {
  const keys = {
    'general.architecture': 'llama',
    'llama.block_count': 1,
    'llama.context_length': 64,
    'llama.embedding_length': 8,
    'llama.feed_forward_length': 12,
    'llama.attention.head_count': 2,
    'llama.attention.head_count_kv': Uint32Array.of(1),
    'llama.attention.layer_norm_rms_epsilon': 1e-5,
  };
  const tensors = {
    'token_embd.weight': [16, 8],
    'output_norm.weight': [8],
    'blk.0.attn_norm.weight': [8],
    'blk.0.attn_q.weight': [1, 1, 8, 8],
    'blk.0.attn_k.weight': [4, 8],
    'blk.0.attn_v.weight': [4, 8],
    'blk.0.attn_output.weight': [8, 8],
    'blk.0.ffn_norm.weight': [8],
    'blk.0.ffn_gate.weight': [12, 8],
    'blk.0.ffn_up.weight': [12, 8],
    'blk.0.ffn_down.weight': [8, 12],
  };
  const gpt2Keys = {
    'general.architecture': 'gpt2',
    'gpt2.block_count': 1,
    'gpt2.embedding_length': 8,
    'gpt2.feed_forward_length': 12,
    'gpt2.attention.head_count': 2,
    'gpt2.attention.layer_norm_epsilon': 1e-5,
  };
  const gpt2Tensors = { 'token_embd.weight': [16, 8] };
  const gguf = (change: object, more = {}) => checkpoint('gguf', { ...keys, ...change }, { ...tensors, ...more });

  it('takes the older key of a scaling, and none for 0; the type is linear where it is not said', () => {
    const frequency = (change: object) => attributesOf<RopeAttributes>(gguf(change), 'rope').frequencies[0];
    expect(frequency({ 'llama.rope.scaling.factor': 4 })).toBe(0.25);
    expect(frequency({ 'llama.rope.scale_linear': 4 })).toBe(0.25);
    expect(frequency({ 'llama.rope.scaling.factor': 0 })).toBe(1);
    expect(frequency({ 'llama.rope.scaling.type': 'none', 'llama.rope.scaling.factor': 4 })).toBe(1);
  });

  it.each([
    [
      'a cap of another architecture',
      gguf({ 'llama.final_logit_softcapping': 3 }),
      UnsupportedError,
      /final_logit_softcapping = 3/,
    ],
    ['experts without their use', gguf({ 'llama.expert_count': 8 }), FormatError, /expert_used_count is missing/],
    [
      'a tensor that nothing reads',
      gguf({}, { 'blk.0.attn_extra.weight': [8] }),
      UnsupportedError,
      /blk\.0\.attn_extra\.weight/,
    ],
    ['an absurd number of blocks', gguf({ 'llama.block_count': 2 ** 31 }), FormatError, /block_count is 2147483648/],
    ['an absurd head', gguf({ 'llama.embedding_length': 2 ** 31 }), FormatError, /key_length is 1073741824/],
    [
      'a block too many',
      gguf({}, { 'blk.1.attn_norm.weight': [8] }),
      FormatError,
      /of block 1, and block_count says that there are 1/,
    ],
  ])('is refused by name for %s', (_, model, kind, message) => {
    expect(() => buildModel(model)).toThrow(kind);
    expect(() => buildModel(model)).toThrow(message);
  });

  it('is refused for fewer learned positions than it says, and a context that has more is an option error', () => {
    const gpt2 = (context: number) =>
      buildModel(
        checkpoint(
          'gguf',
          { ...gpt2Keys, 'gpt2.context_length': context },
          { ...gpt2Tensors, 'position_embd.weight': [32, 8] },
        ),
      );
    expect(() => gpt2(33)).toThrow(FormatError);
    expect(() => gpt2(33)).toThrow(/gpt2\.context_length is 33, expected at most 32/);
    expect(() => gpt2(32)).not.toThrow(/context_length/);
  });

  it.each(['cohere2', 'exaone-moe', 'gemma-embedding', 'gemma4', 'gpt-oss', 'granite_swa', 'spark2_5', 'muse-glimmer'])(
    'of architecture %s is refused without its window, as llama.cpp does',
    (name) => {
      const renamed = Object.entries(keys).map(([key, value]) => [key.replace('llama.', `${name}.`), value]);
      const extra = { [`${name}.logit_scale`]: 1, [`${name}.expert_count`]: 2, [`${name}.expert_used_count`]: 1 };
      const metadata = { ...Object.fromEntries(renamed), 'general.architecture': name };
      const message = /attention\.sliding_window is missing/;
      const build = (more: object) => () => buildModel(checkpoint('gguf', { ...metadata, ...more }, tensors));
      try {
        build({})();
      } catch (error) {
        if (message.test(String(error))) return;
      }
      expect(build(extra)).toThrow(message);
    },
  );

  it('attends to the whole text where it says so, and predicts no tokens', () => {
    const model = gguf({ 'llama.attention.causal': false });
    expect(attributesOf<AttentionAttributes>(model, 'attention').causal).toBe(false);
    expect([...buildModel(model).graph.outputs.keys()]).toEqual(['hidden']);
  });

  it('is not refused for values at which a key changes nothing', () => {
    const neutral = { 'llama.final_logit_softcapping': 30, 'llama.logit_scale': 0, 'llama.attention.causal': true };
    expect(() => buildModel(gguf(neutral))).not.toThrow();
  });
});
