/**
 * BERT-like encoders (Devlin et al. 2019): bidirectional attention, norms after the branches. Output 'hidden'
 * [R, D], and 'scores' [R, L] if the model has a classifier on its first token.
 */
import type { Value } from '../../graph/graph.ts';
import { type ActivationKind, activation } from '../../graph/ops/activation.ts';
import { add } from '../../graph/ops/add.ts';
import { attention } from '../../graph/ops/attention.ts';
import { embed } from '../../graph/ops/embed.ts';
import { input } from '../../graph/ops/input.ts';
import { layerNorm } from '../../graph/ops/layerNorm.ts';
import { linear } from '../../graph/ops/linear.ts';
import { positions } from '../../graph/ops/positions.ts';
import { selectRows } from '../../graph/ops/selectRows.ts';
import { tokens } from '../../graph/ops/tokens.ts';
import type { ModelBuilder } from '../modelBuilder.ts';

/** Input [T, 1]: the type of each token, 0 for the first text, 1 for the second. */
export const TOKEN_TYPES = 'tokenTypes';
/** Input [T, 1]: positions of RoBERTa models. They start at this one. */
export const SHIFTED_POSITIONS = 'shiftedPositions';
export const POSITION_SHIFT = 2;

export interface Encoder {
  readonly activation: ActivationKind;
  /** True if the position table starts with unused rows. */
  readonly shifted?: boolean;
}

export function encoder(model: ModelBuilder, { activation: kind, shifted = false }: Encoder): void {
  const { graph, metadata } = model;
  const layers = metadata.count('block_count');
  const width = metadata.count('embedding_length');
  const ffn = metadata.count('feed_forward_length');
  const heads = metadata.count('attention.head_count');
  const headSize = width / heads;
  const epsilon = metadata.number('attention.layer_norm_epsilon');
  const norm = (x: Value, name: string): Value =>
    layerNorm(x, model.weight(`${name}.weight`, 1, width), model.weight(`${name}.bias`, 1, width), epsilon, name);
  const project = (x: Value, name: string, outputs: number): Value =>
    linear(x, model.weight(`${name}.weight`, outputs, x.shape[1]), model.optional(`${name}.bias`, 1, outputs), name);

  let x = embed(model.weight('token_embd.weight', undefined, width), tokens(graph), 'token_embd');
  const types = model.optional('token_types.weight', undefined, width);
  if (types) x = add(x, embed(types, input(graph, TOKEN_TYPES, 'T', 1, 'i32'), 'token_types'), 'typed');
  const place = shifted ? input(graph, SHIFTED_POSITIONS, 'T', 1, 'i32') : positions(graph);
  x = add(x, embed(model.weight('position_embd.weight', undefined, width), place, 'position_embd'), 'embedding');
  x = norm(x, 'token_embd_norm');
  for (let layer = 0; layer < layers; layer++) {
    const block = `blk.${layer}`;
    const [q, k, v] = ['attn_q', 'attn_k', 'attn_v'].map((name) => project(x, `${block}.${name}`, width));
    const attributes = {
      layer,
      heads,
      kvHeads: heads,
      headSize,
      scale: 1 / Math.sqrt(headSize),
      window: 0,
      softcap: 0,
    };
    const mixed = attention(q!, k!, v!, { ...attributes, causal: false }, `${block}.attention`);
    x = norm(
      add(x, project(mixed, `${block}.attn_output`, width), `${block}.attn_residual`),
      `${block}.attn_output_norm`,
    );
    const active = activation(project(x, `${block}.ffn_up`, ffn), kind, `${block}.${kind}`);
    x = norm(
      add(x, project(active, `${block}.ffn_down`, width), `${block}.ffn_residual`),
      `${block}.layer_output_norm`,
    );
  }
  const hidden = selectRows(x, 'hidden');
  graph.outputs.set('hidden', hidden);
  if (!model.has('cls.output.weight')) return;
  const pooled = model.has('cls.weight') ? activation(project(hidden, 'cls', width), 'tanh', 'cls.tanh') : hidden;
  const labels = Number(model.weight('cls.output.weight').shape[0]);
  graph.outputs.set('scores', project(pooled, 'cls.output', labels));
}
