/**
 * The decoder graph of most language models. Its options cover the differences between architectures; each architecture's
 * file sets them. Tensors have GGUF names.
 */
import type { Value } from '../../graph/graph.ts';
import { add } from '../../graph/ops/add.ts';
import { embed } from '../../graph/ops/embed.ts';
import { linear } from '../../graph/ops/linear.ts';
import { positions } from '../../graph/ops/positions.ts';
import { scale } from '../../graph/ops/scale.ts';
import { selectRows } from '../../graph/ops/selectRows.ts';
import { softcap } from '../../graph/ops/softcap.ts';
import { EXIT_OUTPUT, EXIT_TEACHER, exitTensor } from '../exitPart.ts';
import type { ModelBuilder, Presence } from '../modelBuilder.ts';
import { type Attention, selfAttention } from './attention.ts';
import { type Classifier, classify } from './classifier.ts';
import { type Dimensions, readDimensions } from './dimensions.ts';
import { type Experts, mixture } from './experts.ts';
import { type FeedForward, feedForward } from './feedForward.ts';
import { type Norm, norm } from './norms.ts';
import { checkPositions } from './positionTable.ts';

export interface Decoder {
  /** Norm of the blocks and of the final state. Default: rmsNorm with gain. */
  readonly norm?: Norm;
  /** Position of a block's norms: before its two branches, after them, or both. Default: before. */
  readonly norms?: 'before' | 'after' | 'around';
  /** Norm after a branch, if different from `norm`. */
  readonly normAfter?: Norm;
  /** True for parallel branches: both read the block's input. Default: the feed-forward part reads attention's output. */
  readonly parallel?: boolean;
  /** Name of the norm before the feed-forward part; undefined: it shares attention's norm. Default: ffn_norm. */
  readonly feedForwardNorm?: (layer: number) => string | undefined;
  /** Name of the norm before attention; undefined: none. Default: attn_norm. */
  readonly attentionNorm?: (layer: number) => string | undefined;
  readonly attention: Attention;
  /** Replaces attention in the layers for which it returns a value, e.g. by a convolution. @param x after attention's norm */
  readonly mixer?: (x: Value, layer: number) => Value | undefined;
  /** False for layers with neither attention nor a mixer. Default: layers without heads, unless there is a mixer. */
  readonly hasMixer?: (layer: number) => boolean;
  readonly feedForward: FeedForward;
  /** Experts in place of the feed-forward part. Default: none. */
  readonly experts?: Experts;
  /** True for layers with experts. Default: layers that have a router. */
  readonly hasExperts?: (layer: number) => boolean;
  /** True if the router reads the block's input, before attention (SmallThinker). */
  readonly routesBlockInput?: boolean;
  /** Factor of the embedding. Default: 1. */
  readonly embeddingScale?: number;
  /** The norm token_embd_norm after the embedding. Default: none. */
  readonly embeddingNorm?: Norm;
  /** Learned positions, added to the embedding. */
  readonly learnedPositions?: Presence;
  /** Receives the embedding of the tokens, from which a block's inputs may be computed. */
  readonly onEmbedding?: (x: Value) => void;
  /** Applied to the output of each block. */
  readonly afterBlock?: (x: Value, layer: number) => Value;
  /** Factor of both branches before they are added. Default: 1. */
  readonly residualScale?: number;
  /** Final norm, before the output matrix. Default: `norm`. */
  readonly outputNorm?: Norm;
  /** Default: output_norm. */
  readonly outputNormName?: string;
  /** Tied embeddings: true if the output matrix is the embedding, 'optional' if the file decides. Default: optional. */
  readonly tied?: boolean | 'optional';
  readonly outputBias?: Presence;
  /** Factor of the logits. Default: 1. */
  readonly logitScale?: number;
  /** Soft cap of the logits: cap·tanh(logit/cap). 0: none. */
  readonly logitSoftcap?: number;
  /** Number of passes through all layers. The final norm is applied between passes, unless `plainLoops`. */
  readonly loops?: number;
  readonly plainLoops?: boolean;
  /** Head of a classifier, if the file has one. Default: its output matrix alone. */
  readonly classifier?: Classifier;
}

/** A decoder's `build`. @param knobs may read the metadata */
export function decoder(knobs: (model: ModelBuilder, dimensions: Dimensions) => Decoder) {
  return (model: ModelBuilder): void => {
    const dimensions = readDimensions(model);
    buildDecoder(model, dimensions, knobs(model, dimensions));
  };
}

/** Adds the nodes of a decoder with given sizes. */
export function buildDecoder(model: ModelBuilder, dimensions: Dimensions, knobs: Decoder): void {
  const { layers } = dimensions;
  const { norm: kind = { kind: 'rms' }, loops = 1 } = knobs;
  const last = (x: Value): Value => norm(model, x, knobs.outputNormName ?? 'output_norm', knobs.outputNorm ?? kind);
  let x = embedding(model, dimensions, knobs);
  knobs.onEmbedding?.(x);
  for (let loop = 0; loop < loops; loop++) {
    if (loop > 0 && !knobs.plainLoops) x = last(x);
    for (let layer = 0; layer < layers; layer++) {
      const slot = loop * layers + layer;
      x = block(model, x, layer, slot, dimensions, knobs, kind);
      if (knobs.afterBlock) x = knobs.afterBlock(x, layer);
      if (slot < loops * layers - 1) model.graph.cuts.set(`blk.${slot}`, x);
      if (model.exit?.depth === slot + 1) exit(model, x, slot + 1, loops * layers, dimensions, knobs, kind);
    }
  }
  const hidden = last(selectRows(x));
  head(model, hidden, dimensions, knobs);
  if (model.exit?.isTaught)
    model.graph.outputs.set(EXIT_TEACHER, exitLogits(model, hidden, dimensions, knobs, EXIT_TEACHER));
}

/** An exit: a block as the following one, with weights, keys and values of its own, and the output rows of some tokens. */
function exit(
  model: ModelBuilder,
  x: Value,
  layer: number,
  slot: number,
  dimensions: Dimensions,
  knobs: Decoder,
  kind: Norm,
): void {
  const { graph } = model;
  const build = (): Value => {
    const y = selectRows(block(model, x, layer % dimensions.layers, slot, dimensions, knobs, kind));
    return norm(model, y, 'exit.output_norm', knobs.outputNorm ?? kind);
  };
  const hidden = graph.scope('exit', () => model.renamed(exitTensor, build));
  graph.outputs.set(EXIT_OUTPUT, exitLogits(model, hidden, dimensions, knobs, 'exit.output'));
  graph.exits.set(EXIT_OUTPUT, x);
}

/** Logits for the tokens of an exit. */
function exitLogits(model: ModelBuilder, hidden: Value, { width }: Dimensions, knobs: Decoder, label: string): Value {
  const matrix = model.weight('exit.output.weight', undefined, width);
  return scaledLogits(linear(hidden, matrix, undefined, label), knobs, label);
}

/** Applies the factor and the soft cap of logits. */
function scaledLogits(logits: Value, { logitScale = 1, logitSoftcap = 0 }: Decoder, label: string): Value {
  const scaled = logitScale === 1 ? logits : scale(logits, logitScale, `${label}.logit_scale`);
  return logitSoftcap > 0 ? softcap(scaled, logitSoftcap, `${label}.softcap`) : scaled;
}

function embedding(model: ModelBuilder, { width }: Dimensions, knobs: Decoder): Value {
  const { embeddingScale = 1, learnedPositions = false } = knobs;
  let x = model.rowsOfTokens('token_embd.weight', width, 'token_embd');
  if (embeddingScale !== 1) x = scale(x, embeddingScale, 'embedding_scale');
  const places = model.maybe(learnedPositions, 'position_embd.weight', undefined, width);
  if (places) {
    checkPositions(model, Number(places.shape[0]));
    x = add(x, embed(places, positions(model.graph), 'position_embd'), 'embedding');
  }
  if (knobs.embeddingNorm) x = norm(model, x, 'token_embd_norm', knobs.embeddingNorm);
  return model.dropped(x);
}

function block(
  model: ModelBuilder,
  x: Value,
  layer: number,
  slot: number,
  dimensions: Dimensions,
  knobs: Decoder,
  kind: Norm,
): Value {
  const name = `blk.${layer}`;
  const { norms = 'before', residualScale = 1, parallel = false } = knobs;
  const before = norms !== 'after';
  const normAfter = knobs.normAfter ?? kind;
  const branch = (y: Value, label: string): Value => {
    const normed = norms === 'before' ? y : norm(model, y, `${name}.${label}`, normAfter);
    return model.dropped(residualScale === 1 ? normed : scale(normed, residualScale, `${name}.${label}.scale`));
  };
  const attended = knobs.hasMixer?.(layer) ?? (knobs.mixer !== undefined || dimensions.heads[layer] > 0);
  const attentionNorm = knobs.attentionNorm ? knobs.attentionNorm(layer) : 'attn_norm';
  const normed = before && attended && attentionNorm ? norm(model, x, `${name}.${attentionNorm}`, kind) : x;
  const ffn = dimensions.ffn[layer];
  const hasExperts = knobs.hasExperts?.(layer) ?? model.has(`${name}.ffn_gate_inp.weight`);
  const experts = hasExperts ? knobs.experts : undefined;
  const ffnNorm = knobs.feedForwardNorm ? knobs.feedForwardNorm(layer) : 'ffn_norm';
  const feed = (from: Value): Value => {
    const input = !before ? from : ffnNorm === undefined ? normed : norm(model, from, `${name}.${ffnNorm}`, kind);
    if (!experts) return branch(feedForward(model, input, { layer, ffn }, knobs.feedForward), 'post_ffw_norm');
    return branch(mixture(model, input, layer, experts, knobs.routesBlockInput ? x : undefined), 'post_ffw_norm');
  };
  const attend = (): Value =>
    branch(
      knobs.mixer?.(normed, layer) ?? selfAttention(model, normed, layer, slot, dimensions, knobs.attention),
      'post_attention_norm',
    );
  if (parallel) return add(add(x, attend(), `${name}.attn_residual`), feed(x), `${name}.ffn_residual`);
  const middle = attended ? add(x, attend(), `${name}.attn_residual`) : x;
  return ffn > 0 || experts ? add(middle, feed(middle), `${name}.ffn_residual`) : middle;
}

/** Sets the outputs 'hidden', 'scores' if there is a classifier, and 'logits' if each token predicts the next one. */
function head(model: ModelBuilder, hidden: Value, { width }: Dimensions, knobs: Decoder): void {
  model.graph.outputs.set('hidden', hidden);
  classify(model, hidden, knobs.classifier);
  if (!predictsTokens(model, knobs)) {
    model.optional('output.weight');
    return;
  }
  const { outputBias = false } = knobs;
  const table = model.weight('token_embd.weight', undefined, width);
  const vocabulary = Number(table.shape[0]);
  const matrix = outputMatrix(model, knobs.tied ?? 'optional', vocabulary, width);
  const bias = model.maybe(outputBias, 'output.bias', 1, vocabulary);
  model.graph.outputs.set('logits', scaledLogits(linear(hidden, matrix ?? table, bias, 'output'), knobs, 'output'));
}

/** False for embedders and classifiers: they attend to the whole text, or their class in transformers has no such head. */
function predictsTokens(model: ModelBuilder, { attention }: Decoder): boolean {
  if (!(attention.causal ?? model.metadata.flag('attention.causal', true))) return false;
  return !model.metadata.flag('output.absent', false) || model.has('output.weight');
}

/** Output matrix; undefined if it is the embedding. In folders the config decides, in GGUF files the presence of the tensor. */
function outputMatrix(model: ModelBuilder, tied: boolean | 'optional', vocabulary: number, width: number) {
  const said = model.metadata.has('output.tied') ? model.metadata.flag('output.tied', false) : tied;
  if (said === false) return model.weight('output.weight', vocabulary, width);
  const own = said === true && tied === true ? undefined : model.shapeOf('output.weight');
  if (!own || own.name === model.shapeOf('token_embd.weight')?.name) return undefined;
  return model.weight('output.weight', vocabulary, width);
}
