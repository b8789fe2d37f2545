/** Parts that decoder models share: embedding, attention, feed-forward, and the output head for the selected rows. */
import type { Value } from '../../graph/graph.ts';
import { type ActivationKind, activation } from '../../graph/ops/activation.ts';
import { add } from '../../graph/ops/add.ts';
import { attention } from '../../graph/ops/attention.ts';
import { columns } from '../../graph/ops/columns.ts';
import { embed } from '../../graph/ops/embed.ts';
import { layerNorm } from '../../graph/ops/layerNorm.ts';
import { linear } from '../../graph/ops/linear.ts';
import { multiply } from '../../graph/ops/multiply.ts';
import { rmsNorm } from '../../graph/ops/rmsNorm.ts';
import { scale } from '../../graph/ops/scale.ts';
import { selectRows } from '../../graph/ops/selectRows.ts';
import { softcap } from '../../graph/ops/softcap.ts';
import { tokens } from '../../graph/ops/tokens.ts';
import type { ModelBuilder } from '../architecture.ts';
import type { Dimensions } from './dimensions.ts';
import type { Rotary } from './rotary.ts';

export function embedding(model: ModelBuilder): Value {
  return embed(model.weight('token_embd.weight'), tokens(model.graph), 'token_embd');
}

/** Adds rmsNorm with the gain `<name>.weight`. */
export function gainNorm(model: ModelBuilder, x: Value, name: string, width: number): Value {
  const epsilon = model.metadata.number('attention.layer_norm_rms_epsilon', 1e-5);
  return rmsNorm(x, model.weight(`${name}.weight`, 1, width), epsilon, name);
}

/** Adds layerNorm with `<name>.weight` and `<name>.bias`. */
export function centredNorm(model: ModelBuilder, x: Value, name: string, width: number): Value {
  const epsilon = model.metadata.number('attention.layer_norm_epsilon', 1e-5);
  return layerNorm(x, model.weight(`${name}.weight`, 1, width), model.weight(`${name}.bias`, 1, width), epsilon, name);
}

/** Adds linear with `<name>.weight` and, if they exist, `<name>.bias` and low-rank factors. */
export function project(model: ModelBuilder, x: Value, name: string, outputs: number): Value {
  const matrix = model.weight(`${name}.weight`, outputs, x.shape[1]);
  const y = linear(x, matrix, model.optional(`${name}.bias`, 1, outputs), name);
  const factors = model.factors(matrix);
  if (!factors) return y;
  const inner = linear(x, factors.a, undefined, `${name}.lora_a`);
  const delta = linear(inner, factors.b, undefined, `${name}.lora_b`);
  return add(y, factors.scale === 1 ? delta : scale(delta, factors.scale, `${name}.lora_scale`), `${name}.lora`);
}

export interface SelfAttention {
  readonly layer: number;
  readonly dimensions: Dimensions;
  readonly rotary?: Rotary;
  readonly scale: number;
  readonly window?: number;
  readonly softcap?: number;
}

/** Attention of a block: projections of queries, keys and values (fused or not), their norms if the model has them, attention, output projection. */
export function selfAttention(model: ModelBuilder, x: Value, block: string, options: SelfAttention): Value {
  const { heads, kvHeads, headSize, width } = options.dimensions;
  const queries = heads * headSize;
  const keys = kvHeads * headSize;
  let q: Value;
  let k: Value;
  let v: Value;
  if (model.has(`${block}.attn_qkv.weight`)) {
    const fused = project(model, x, `${block}.attn_qkv`, queries + 2 * keys);
    q = columns(fused, 0, queries, `${block}.attn_q`);
    k = columns(fused, queries, keys, `${block}.attn_k`);
    v = columns(fused, queries + keys, keys, `${block}.attn_v`);
  } else {
    q = project(model, x, `${block}.attn_q`, queries);
    k = project(model, x, `${block}.attn_k`, keys);
    v = project(model, x, `${block}.attn_v`, keys);
  }
  if (model.has(`${block}.attn_q_norm.weight`)) {
    q = gainNorm(model, q, `${block}.attn_q_norm`, headSize);
    k = gainNorm(model, k, `${block}.attn_k_norm`, headSize);
  }
  if (options.rotary) {
    q = options.rotary.apply(q, `${block}.rope_q`);
    k = options.rotary.apply(k, `${block}.rope_k`);
  }
  const { layer, window = 0, softcap: cap = 0 } = options;
  const mixed = attention(
    q,
    k,
    v,
    { layer, heads, kvHeads, headSize, scale: options.scale, window, softcap: cap },
    `${block}.attention`,
  );
  return project(model, mixed, `${block}.attn_output`, width);
}

/** Gated feed-forward: down(f(gate(x)) · up(x)). gate and up may be fused in ffn_up, gate first (Phi-3). */
export function gatedFeedForward(
  model: ModelBuilder,
  x: Value,
  block: string,
  ffn: number,
  kind: ActivationKind,
): Value {
  let gate: Value;
  let up: Value;
  if (model.has(`${block}.ffn_gate.weight`)) {
    gate = project(model, x, `${block}.ffn_gate`, ffn);
    up = project(model, x, `${block}.ffn_up`, ffn);
  } else {
    const fused = project(model, x, `${block}.ffn_up`, 2 * ffn);
    gate = columns(fused, 0, ffn, `${block}.ffn_gate`);
    up = columns(fused, ffn, ffn, `${block}.ffn_up`);
  }
  const gated = multiply(activation(gate, kind, `${block}.${kind}`), up, `${block}.gated`);
  return project(model, gated, `${block}.ffn_down`, x.shape[1]);
}

/** Feed-forward without gate: down(gelu(up(x))). */
export function feedForward(model: ModelBuilder, x: Value, block: string, ffn: number): Value {
  const up = activation(project(model, x, `${block}.ffn_up`, ffn), 'gelu', `${block}.gelu`);
  return project(model, up, `${block}.ffn_down`, x.shape[1]);
}

export function residual(model: ModelBuilder, x: Value, branch: Value, label: string): Value {
  return add(x, model.dropped(branch), label);
}

/**
 * Selects rows, normalizes them, and multiplies by the output matrix (the embedding if they are tied).
 * Sets the outputs 'hidden' and 'logits'.
 */
export function head(model: ModelBuilder, x: Value, norm: (rows: Value) => Value, vocabulary: number): void {
  const hidden = norm(selectRows(x));
  const tied = model.has('output.weight') ? 'output.weight' : 'token_embd.weight';
  let logits = linear(
    hidden,
    model.weight(tied, vocabulary, x.shape[1]),
    model.optional('output.bias', 1, vocabulary),
    'output',
  );
  const cap = model.metadata.number('final_logit_softcapping', 0);
  if (cap > 0) logits = softcap(logits, cap, 'output_softcap');
  model.graph.outputs.set('hidden', hidden);
  model.graph.outputs.set('logits', logits);
}
