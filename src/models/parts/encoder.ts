/**
 * BERT-like encoders (Devlin et al. 2019): attention to the whole text, and a norm after each residual sum. Output 'hidden'
 * [R, D], and 'scores' [R, L] if the model has a classifier on its first token.
 */
import type { Value } from '../../graph/graph.ts';
import type { ActivationKind } from '../../graph/ops/activation.ts';
import { add } from '../../graph/ops/add.ts';
import { embed } from '../../graph/ops/embed.ts';
import { input } from '../../graph/ops/input.ts';
import { positions } from '../../graph/ops/positions.ts';
import { selectRows } from '../../graph/ops/selectRows.ts';
import type { ModelBuilder } from '../modelBuilder.ts';
import { type Attention, neverCausal, selfAttention } from './attention.ts';
import { classify } from './classifier.ts';
import { readDimensions } from './dimensions.ts';
import { type Experts, mixture } from './experts.ts';
import { type FeedForward, feedForward } from './feedForward.ts';
import { type Norm, norm } from './norms.ts';
import { checkPositions } from './positionTable.ts';

/** Input [T, 1]: the type of each token, 0 for the first text, 1 for the second. */
export const TOKEN_TYPES = 'tokenTypes';
/** Input [T, 1]: positions of RoBERTa models. They start at this one. */
export const SHIFTED_POSITIONS = 'shiftedPositions';
export const POSITION_SHIFT = 2;

export interface Encoder {
  readonly attention: Omit<Attention, 'causal'>;
  readonly feedForward: FeedForward;
  /** Experts in place of the feed-forward part, in layers that have a router. Default: none. */
  readonly experts?: Experts;
  /** Learned positions that are added to the embedding; 'shifted': their table starts with unused rows. Default: none. */
  readonly positions?: 'learned' | 'shifted';
  /** Activation of the classifier's dense layer. Default: tanh. */
  readonly classifierActivation?: ActivationKind;
}

const NORM: Norm = { kind: 'layer' };

export function encoder(model: ModelBuilder, knobs: Encoder): void {
  const dimensions = readDimensions(model);
  const attention: Attention = { ...knobs.attention, causal: neverCausal(model) };
  let x = embedding(model, dimensions.width, knobs);
  for (let layer = 0; layer < dimensions.layers; layer++) {
    const name = `blk.${layer}`;
    const attended = selfAttention(model, x, layer, layer, dimensions, attention);
    const before = x;
    x = norm(model, add(x, attended, `${name}.attn_residual`), `${name}.attn_output_norm`, NORM);
    if (model.has(`${name}.attn_norm_2.weight`))
      x = norm(model, add(x, before, `${name}.attn_residual_2`), `${name}.attn_norm_2`, NORM);
    const experts = model.has(`${name}.ffn_gate_inp.weight`) ? knobs.experts : undefined;
    const fed = experts
      ? mixture(model, x, layer, experts)
      : feedForward(model, x, { layer, ffn: dimensions.ffn[layer] }, knobs.feedForward);
    x = norm(model, add(x, fed, `${name}.ffn_residual`), `${name}.layer_output_norm`, NORM);
  }
  const hidden = selectRows(x, 'hidden');
  model.graph.outputs.set('hidden', hidden);
  classify(model, hidden, { activation: knobs.classifierActivation });
}

function embedding(model: ModelBuilder, width: number, { positions: places }: Encoder): Value {
  const { graph } = model;
  let x = model.rowsOfTokens('token_embd.weight', width, 'token_embd');
  const types = model.optional('token_types.weight', undefined, width);
  if (types) x = add(x, embed(types, input(graph, TOKEN_TYPES, 'T', 1, 'i32'), 'token_types'), 'typed');
  if (places) {
    const place = places === 'shifted' ? input(graph, SHIFTED_POSITIONS, 'T', 1, 'i32') : positions(graph);
    const table = model.weight('position_embd.weight', undefined, width);
    checkPositions(model, Number(table.shape[0]), places === 'shifted' ? POSITION_SHIFT : 0);
    x = add(x, embed(table, place, 'position_embd'), 'embedding');
  }
  return norm(model, x, 'token_embd_norm', NORM);
}
