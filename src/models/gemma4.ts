/**
 * Gemma 4 (text): heads of two sizes, local and global; the last layers attend to the keys and values of earlier ones; every layer
 * also reads a row of a second embedding table (E2B, E4B). Gemma team 2026.
 */
import type { Value } from '../graph/graph.ts';
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { attention } from '../graph/ops/attention.ts';
import { columns } from '../graph/ops/columns.ts';
import { gain } from '../graph/ops/gain.ts';
import { multiply } from '../graph/ops/multiply.ts';
import { scale } from '../graph/ops/scale.ts';
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { gemma4Keys } from './folders/gemma4Keys.ts';
import { MOST_HEAD_SIZE } from './limits.ts';
import type { ModelBuilder } from './modelBuilder.ts';
import { activationOf } from './parts/activationOf.ts';
import { buildDecoder } from './parts/decoder.ts';
import { type Dimensions, readDimensions } from './parts/dimensions.ts';
import { groupNorm } from './parts/norms.ts';
import { project } from './parts/project.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

/** Attention of all layers. A layer without keys takes those of the last layer of its kind that has some. */
function gemma4Attention(model: ModelBuilder, dimensions: Dimensions) {
  const { metadata } = model;
  const { layers, headSize, width } = dimensions;
  const local = windows(model, dimensions, { period: 6, required: !model.fromFolder });
  const localSize = metadata.count('attention.key_length_swa', headSize, 1, MOST_HEAD_SIZE);
  const owners = layers - metadata.count('attention.shared_kv_layers', 0, 0, layers - 1);
  const kinds = {
    local: rotary(model, localSize, { layout: 'half', tables: 'none', local: true, localBase: 10000 }),
    global: rotary(model, headSize, { layout: 'half', tables: 'frequencies' }),
  };
  const last = new Map<string, { k: Value; v: Value; slot: number }>();
  return (x: Value, layer: number): Value => {
    const block = `blk.${layer}`;
    const kind = local.isLocal(layer) ? 'local' : 'global';
    const size = kind === 'local' ? localSize : headSize;
    const [heads, kvHeads] = [dimensions.heads[layer], dimensions.kvHeads[layer]];
    const bias = model.fromFolder ? ('optional' as const) : false;
    const headNorm = (y: Value, name: string, own = true): Value =>
      groupNorm(model, y, `${block}.${name}`, size, { kind: 'rms', gain: own });
    const read = (name: string, count: number): Value =>
      project(model, x, `${block}.${name}`, count * size, { bias, scaled: 'before bias' });
    const turned = (y: Value, label: string): Value => kinds[kind].apply(y, `${block}.${label}`);
    const q = turned(headNorm(read('attn_q', heads), 'attn_q_norm'), 'rope_q');
    if (layer < owners) {
      const k = read('attn_k', kvHeads);
      // without a matrix of values, keys are the values
      const v = model.has(`${block}.attn_v.weight`) ? read('attn_v', kvHeads) : k;
      last.set(kind, {
        k: turned(headNorm(k, 'attn_k_norm'), 'rope_k'),
        v: headNorm(v, 'attn_v_norm', false),
        slot: layer,
      });
    }
    const kept = last.get(kind);
    if (!kept) throw metadata.wrong('attention.shared_kv_layers', `less than ${layers - layer}`, layers - owners);
    const sizes = { heads, kvHeads, headSize: size };
    const attributes = { layer: kept.slot, ...sizes, scale: 1, window: local.of(layer), softcap: 0 };
    const mixed = attention(q, kept.k, kept.v, attributes, `${block}.attention`);
    return project(model, mixed, `${block}.attn_output`, width, { bias, scaled: 'before bias' });
  };
}

/** Adds the layer's part of the second embedding, gated by the state, and scales the state. */
function afterBlock(
  model: ModelBuilder,
  { layers, width }: Dimensions,
  x: Value,
  layer: number,
  inputs?: Value,
): Value {
  const block = `blk.${layer}`;
  const factor = model.optional(`${block}.layer_output_scale.weight`, 1, 1);
  const scaled = (y: Value): Value => (factor ? gain(y, factor, `${block}.layer_output_scale`) : y);
  if (!inputs) return scaled(x);
  const each = inputs.shape[1] / layers;
  const plain = { bias: false } as const;
  const gates = activation(project(model, x, `${block}.inp_gate`, each, plain), 'gelu', `${block}.inp_gate.gelu`);
  const own = columns(inputs, layer * each, each, `${block}.per_layer_input`);
  const added = project(model, multiply(gates, own, `${block}.inp_gated`), `${block}.proj`, width, plain);
  const normed = groupNorm(model, added, `${block}.post_norm`, width, { kind: 'rms' });
  return scaled(add(x, normed, `${block}.per_layer_residual`));
}

/** The inputs of all layers, side by side: rows of the second table, and a product of the embedding. */
function perLayerInputs(model: ModelBuilder, embedding: Value, { layers, width }: Dimensions): Value | undefined {
  const each = model.metadata.count('embedding_length_per_layer_input', 0, 0);
  if (each === 0) return undefined;
  // its rows are read by token id, so it needs as many as the vocabulary has
  model.weight('per_layer_token_embd.weight', model.shapeOf('token_embd.weight')?.rows, layers * each);
  const found = model.rowsOfTokens('per_layer_token_embd.weight', layers * each, 'per_layer_token_embd');
  const rows = scale(found, Math.sqrt(each), 'per_layer_rows');
  const product = project(model, embedding, 'per_layer_model_proj', layers * each, { bias: false });
  const scaled = scale(product, 1 / Math.sqrt(width), 'per_layer_model_proj.scale');
  const normed = groupNorm(model, scaled, 'per_layer_proj_norm', each, { kind: 'rms' });
  return scale(add(normed, rows, 'per_layer_sum'), Math.SQRT1_2, 'per_layer_inputs');
}

export const gemma4: Architecture = {
  name: 'gemma4',
  models: 'Gemma 4 (text)',
  // llama.cpp has the factor 1, whatever the file says
  passesOver: ['attention.scale'],
  // keys and values of layers that share those of others
  passesOverTensors: /attn_(k|v|k_norm)\.weight$|self_attn\.(k_proj|v_proj|k_norm)\.weight$/,
  folders: [
    {
      modelTypes: ['gemma4_text'],
      defaults: {
        hidden_size: 2304,
        intermediate_size: 9216,
        num_hidden_layers: 30,
        num_attention_heads: 8,
        num_key_value_heads: 4,
        head_dim: 256,
        hidden_activation: 'gelu_pytorch_tanh',
        max_position_embeddings: 131072,
        rms_norm_eps: 1e-6,
        tie_word_embeddings: true,
        sliding_window: 512,
        hidden_size_per_layer_input: 256,
      },
      metadata: gemma4Keys,
      tensor: (name) => {
        const factor = /^blk\.(\d+)\.layer_output_scale\.weight$/.exec(name);
        return factor ? { names: [`layers.${factor[1]}.layer_scalar`] } : named(name);
      },
    },
  ],
  build(model) {
    const dimensions = readDimensions(model, { localHeads: true });
    const mixer = gemma4Attention(model, dimensions);
    let inputs: Value | undefined;
    buildDecoder(model, dimensions, {
      norms: 'around',
      mixer,
      attention: {},
      feedForward: { activation: activationOf(model, 'gelu'), gated: true, scaled: true },
      onEmbedding: (x) => {
        inputs = perLayerInputs(model, x, dimensions);
      },
      afterBlock: (x, layer) => afterBlock(model, dimensions, x, layer, inputs),
      embeddingScale: Math.sqrt(dimensions.width),
      logitSoftcap: model.metadata.number('final_logit_softcapping', 0),
    });
  },
};

const named = tensorNames({
  block: {
    post_attention_norm: 'post_attention_layernorm',
    ffn_norm: 'pre_feedforward_layernorm',
    post_ffw_norm: 'post_feedforward_layernorm',
    attn_q_norm: 'self_attn.q_norm',
    attn_k_norm: 'self_attn.k_norm',
    inp_gate: 'per_layer_input_gate',
    proj: 'per_layer_projection',
    post_norm: 'post_per_layer_input_norm',
  },
  ends: {
    per_layer_token_embd: 'embed_tokens_per_layer',
    per_layer_model_proj: 'per_layer_model_projection',
    per_layer_proj_norm: 'per_layer_projection_norm',
  },
});
