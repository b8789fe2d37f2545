/**
 * Converts a GPT-Neo to a Llama of twice the width, as a starting point for training. It computes the same function except for
 * the differences below. The other half of the width is free for training.
 *
 * - A layer norm equals an RMS norm if the residual stream has no mean, so the mean is removed from everything that is
 *   added to the stream. Half of the channels are zero at first, so norms divide by 1/√2 of the deviation; the gains correct that.
 *   The norms' biases move into the biases after them (the last one into the bias before it, scaled by the mean deviation).
 * - gelu(x) ≈ silu(1.702 x) / 1.702 (Hendrycks and Gimpel 2016): a gated feed-forward layer whose other factor is 1.
 * - Learned positions: on average, the effect of a key's position on a query is a function of the distance, see
 *   turnsOfDistances.ts. Half of each head's columns represent it by rotation; the other half do not rotate and hold the content.
 *   All other information of the positions is lost, except their mean, which moves into the embedding.
 */
import { seededRandom } from '../../src/core/random.ts';
import type { Checkpoint } from '../../src/formats/checkpoint.ts';
import type { GgufContents } from '../../src/formats/gguf/write.ts';
import type { TensorToWrite } from '../../src/formats/tensorToWrite.ts';
import { tensorValues } from '../../src/formats/tensorValues.ts';
import { tokenizerToGguf } from '../../src/formats/tokenizerToGguf.ts';
import { isWeight } from '../../src/graph/graph.ts';
import { type BuiltModel, buildModel } from '../../src/models/buildModel.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import type { TokenizerSpec } from '../../src/tokenizer/spec.ts';
import { teacherIds } from '../../src/train/largerVocabulary.ts';
import { type ResidualState, residualStates } from './residualStates.ts';
import { type Turning, turns, turnsOf } from './turnsOfDistances.ts';

export interface AsLlamaOptions {
  /** Tokenizer with a subset of its tokens. */
  readonly tokenizer: TokenizerSpec;
  /** Sample texts as ids, each from position 0 on. */
  readonly texts: readonly (readonly number[])[];
  readonly threads: number;
}

const GELU = 1.702;
const ROPE_BASE = 10_000;
/** Rope factor of pairs that do not rotate. */
const STILL = 1e6;
/** Value of keys in rotating columns. */
const SAID = 2;
/** Deviations of gains, and of weights that are not used yet. */
const FRESH = { gain: 0.3, values: 0.05, writes: 0.01 };

export async function asLlama(checkpoint: Checkpoint, options: AsLlamaOptions): Promise<GgufContents> {
  const model = buildModel(checkpoint);
  const { metadata } = model;
  const weights = await readAll(model);
  const sizes = {
    layers: metadata.count('block_count'),
    narrow: metadata.count('embedding_length'),
    width: 2 * metadata.count('embedding_length'),
    heads: metadata.count('attention.head_count'),
    ffn: weights.get('blk.0.ffn_up.bias')!.length,
    positions: metadata.count('context_length'),
  };
  const { tokenizer } = options;
  const headSize = sizes.width / sizes.heads;
  if (headSize !== 4 * turns.length)
    throw new Error(`heads of ${headSize} columns have no room for ${turns.length} frequencies`);
  const tensors = new Weights(weights, sizes);
  const input = (layer: number) => (layer === 0 ? 'embedding' : `blk.${layer - 1}.ffn_residual`);
  const labels = Array.from({ length: sizes.layers + 1 }, (_, layer) => input(layer));
  const { of: states, counts } = await residualStates(buildModel(checkpoint), labels, options.texts, {
    positions: sizes.positions,
    threads: options.threads,
  });
  tensors.embedding(teacherIds(tokenizer, checkpoint.tokenizer!, checkpoint.name), counts);
  for (let layer = 0; layer < sizes.layers; layer++) {
    const { mean, inverse } = states.get(input(layer))!;
    const places = layer === 0 ? tensors.positions() : mean;
    tensors.attention(layer, { mean: places, inverse }, counts);
    tensors.feedForward(layer, layer === sizes.layers - 1 ? states.get(labels.at(-1)!)!.inverse : undefined);
  }
  tensors.end();
  return {
    metadata: [
      ['general.architecture', 'llama'],
      ['llama.context_length', sizes.positions],
      ['llama.embedding_length', sizes.width],
      ['llama.block_count', sizes.layers],
      ['llama.feed_forward_length', sizes.ffn],
      ['llama.vocab_size', tokenizer.tokens.length],
      ['llama.attention.head_count', sizes.heads],
      ['llama.attention.head_count_kv', sizes.heads],
      ['llama.attention.layer_norm_rms_epsilon', metadata.number('attention.layer_norm_epsilon', 1e-5) / 2],
      ['llama.attention.key_length', headSize],
      ['llama.attention.value_length', headSize],
      ['llama.rope.dimension_count', headSize],
      ['llama.rope.freq_base', { type: 'f32', value: ROPE_BASE }],
      ...tokenizerToGguf(tokenizer),
    ],
    tensors: tensors.made,
  };
}

interface Sizes {
  readonly layers: number;
  /** Sizes of the GPT-Neo. */
  readonly narrow: number;
  readonly width: number;
  readonly heads: number;
  readonly ffn: number;
  readonly positions: number;
}

/** Makes the tensors of one part of the model after another. */
class Weights {
  readonly made: TensorToWrite[] = [];
  readonly #from: ReadonlyMap<string, Float32Array>;
  readonly #sizes: Sizes;
  readonly #random = seededRandom(7);

  constructor(from: ReadonlyMap<string, Float32Array>, sizes: Sizes) {
    this.#from = from;
    this.#sizes = sizes;
  }

  /** [positions, narrow] position embeddings. */
  positions(): Float64Array {
    return Float64Array.from(rowsWithoutMean(this.#get('position_embd.weight'), this.#sizes.narrow));
  }

  embedding(ids: Int32Array, counts: Float64Array): void {
    const { narrow, width } = this.#sizes;
    const embeddings = rowsWithoutMean(this.#get('token_embd.weight'), narrow);
    const positions = this.positions();
    const total = counts.reduce((sum, count) => sum + count, 0);
    const mean = new Float64Array(narrow);
    for (let i = 0; i < positions.length; i++)
      mean[i % narrow] += (positions[i] * counts[Math.floor(i / narrow)]) / total;
    const wide = new Float32Array(ids.length * width);
    // the same for all tokens, so that it changes the tied output only by a constant
    for (const [token, id] of ids.entries())
      for (let i = 0; i < narrow; i++) wide[token * width + i] = embeddings[id * narrow + i] + mean[i];
    this.#make('token_embd.weight', wide, width);
  }

  attention(layer: number, places: ResidualState, counts: Float64Array): void {
    const { narrow, width, heads } = this.#sizes;
    const block = `blk.${layer}`;
    const [q, k, v] = ['q', 'k', 'v'].map((name) => this.#behindNorm(`${block}.attn_${name}`, `${block}.attn_norm`));
    const written = columnsWithoutMean(this.#get(`${block}.attn_output.weight`), narrow);
    const own = narrow / heads;
    const headSize = width / heads;
    const [queries, keys, values] = [0, 1, 2].map(() => new Linear(width, width));
    const output = new Float32Array(width * width);
    const distances = this.#distances(layer, places, counts);
    for (let head = 0; head < heads; head++) {
      const still = head * headSize + own;
      for (let c = 0; c < own; c++) {
        const from = head * own + c;
        // the Llama divides scores by √headSize = 4; the GPT-Neo does not
        queries.add(still + c, 2, q, from);
        keys.add(still + c, 2, k, from);
        values.add(head * headSize + c, 1, v, from);
        for (let i = 0; i < narrow; i++) output[i * width + head * headSize + c] = written[i * narrow + from];
        for (let i = 0; i < narrow; i++) values.weight[(still + c) * width + i] = FRESH.values * this.#random.normal();
      }
      for (const f of turns.keys()) {
        const row = head * headSize + 2 * f;
        keys.bias[row] = SAID;
        for (let c = 0; c < own; c++) {
          const { cosine, sine } = distances[head * own + c][f];
          queries.add(row, (4 / SAID) * cosine, q, head * own + c);
          queries.add(row + 1, (-4 / SAID) * sine, q, head * own + c);
        }
      }
    }
    for (let i = narrow * width; i < output.length; i++) output[i] = FRESH.writes * this.#random.normal();
    this.#gain(`${block}.attn_norm`);
    this.#linear(`${block}.attn_q`, queries);
    this.#linear(`${block}.attn_k`, keys);
    this.#linear(`${block}.attn_v`, values);
    this.#make(`${block}.attn_output.weight`, output, width);
    this.#make(
      `${block}.attn_output.bias`,
      this.#wide(rowsWithoutMean(this.#get(`${block}.attn_output.bias`), narrow)),
    );
  }

  /** @param before in the last layer: mean of 1 / deviation of its output, to take over the bias of the last norm */
  feedForward(layer: number, before?: number): void {
    const { narrow, width, ffn } = this.#sizes;
    const block = `blk.${layer}`;
    const hidden = this.#behindNorm(`${block}.ffn_up`, `${block}.ffn_norm`);
    const own = this.#get(`${block}.ffn_up.bias`);
    const gate = new Linear(ffn, width);
    for (let row = 0; row < ffn; row++) {
      gate.add(row, GELU, hidden, row);
      gate.bias[row] += GELU * own[row];
    }
    const written = columnsWithoutMean(this.#get(`${block}.ffn_down.weight`), ffn);
    const down = new Float32Array(width * ffn);
    for (let i = 0; i < down.length; i++)
      down[i] = i < written.length ? written[i] / GELU : FRESH.writes * this.#random.normal();
    const bias = this.#wide(rowsWithoutMean(this.#get(`${block}.ffn_down.bias`), narrow));
    if (before !== undefined) {
      const [gains, added] = ['weight', 'bias'].map((kind) => this.#get(`output_norm.${kind}`));
      for (let i = 0; i < narrow; i++) bias[i] += added[i] / gains[i] / before;
    }
    this.#gain(`${block}.ffn_norm`);
    this.#linear(`${block}.ffn_gate`, gate);
    this.#make(`${block}.ffn_up.weight`, new Float32Array(ffn * width), width);
    this.#make(`${block}.ffn_up.bias`, new Float32Array(ffn).fill(1));
    this.#make(`${block}.ffn_down.weight`, down, ffn);
    this.#make(`${block}.ffn_down.bias`, bias);
  }

  end(): void {
    const { width, heads } = this.#sizes;
    const pairs = width / heads / 2;
    const divisor = (pair: number) => ROPE_BASE ** (-pair / pairs) * (pair < turns.length ? 1 / turns[pair] : STILL);
    this.#gain('output_norm');
    this.#make(
      'rope_freqs.weight',
      Float32Array.from({ length: pairs }, (_, pair) => divisor(pair)),
    );
  }

  /** For each column of the keys its value at a distance, minus its value at distance 0. */
  #distances(layer: number, { mean, inverse }: ResidualState, counts: Float64Array): Turning[][] {
    const { narrow } = this.#sizes;
    const gains = this.#get(`blk.${layer}.attn_norm.weight`);
    const keys = this.#get(`blk.${layer}.attn_k.weight`);
    // few texts reach the last positions, and the first one is an exception
    const rare = counts.findIndex((count) => count < FEWEST);
    const end = rare < 0 ? counts.length : rare;
    return Array.from({ length: narrow }, (_, row) => {
      const said = Array.from({ length: end }, (_, position) => {
        let sum = 0;
        for (let i = 0; i < narrow; i++) sum += keys[row * narrow + i] * gains[i] * mean[position * narrow + i];
        return sum * inverse;
      });
      const distances = Math.min(end - 8, FARTHEST);
      const values = new Float64Array(distances);
      for (let distance = 0; distance < distances; distance++) {
        let total = 0;
        for (let position = 1 + distance; position < end; position++) {
          values[distance] += counts[position] * (said[position - distance] - said[position]);
          total += counts[position];
        }
        values[distance] /= total;
      }
      return turnsOf(values);
    });
  }

  /** A linear layer with the norm's bias merged into its own. The gain stays in the norm. */
  #behindNorm(name: string, norm: string): Linear {
    const { narrow } = this.#sizes;
    const weight = this.#get(`${name}.weight`);
    const added = this.#get(`${norm}.bias`);
    const linear = new Linear(weight.length / narrow, narrow, weight);
    for (let i = 0; i < weight.length; i++) linear.bias[Math.floor(i / narrow)] += weight[i] * added[i % narrow];
    return linear;
  }

  #gain(norm: string): void {
    const gains = this.#wide(this.#get(`${norm}.weight`), FRESH.gain);
    for (let i = 0; i < this.#sizes.narrow; i++) gains[i] *= Math.SQRT1_2;
    this.#make(`${norm}.weight`, gains);
  }

  #linear(name: string, { weight, bias, inputs }: Linear): void {
    this.#make(`${name}.weight`, weight, inputs);
    this.#make(`${name}.bias`, bias);
  }

  #wide(values: Float32Array, rest = 0): Float32Array {
    const wide = new Float32Array(this.#sizes.width).fill(rest);
    wide.set(values);
    return wide;
  }

  #get(name: string): Float32Array {
    return this.#from.get(name)!;
  }

  #make(name: string, values: Float32Array, columns = values.length): void {
    const shape = columns === values.length ? [columns] : [values.length / columns, columns];
    this.made.push({
      name,
      shape,
      format: formatByName('F32'),
      data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    });
  }
}

/** Number of texts that must reach a position for its mean to count, and the maximum distance. */
const FEWEST = 60;
const FARTHEST = 120;

class Linear {
  readonly inputs: number;
  readonly weight: Float32Array;
  readonly bias: Float32Array;

  constructor(rows: number, inputs: number, weight: Float32Array = new Float32Array(rows * inputs)) {
    this.inputs = inputs;
    this.weight = weight;
    this.bias = new Float32Array(rows);
  }

  /** this[row] += factor · other[from]. `other` may have fewer inputs. */
  add(row: number, factor: number, other: Linear, from: number): void {
    for (let i = 0; i < other.inputs; i++)
      this.weight[row * this.inputs + i] += factor * other.weight[from * other.inputs + i];
    this.bias[row] += factor * other.bias[from];
  }
}

async function readAll(model: BuiltModel): Promise<Map<string, Float32Array>> {
  const tensors = new Map<string, Float32Array>();
  for (const node of model.graph.live()) {
    if (!isWeight(node)) continue;
    const name = node.attributes.tensor;
    tensors.set(name, await tensorValues(model.stored(name).tensors[0]));
  }
  return tensors;
}

function rowsWithoutMean(matrix: Float32Array, columns: number): Float32Array {
  const result = matrix.slice();
  for (let row = 0; row < matrix.length; row += columns) {
    const values = result.subarray(row, row + columns);
    const mean = values.reduce((sum, value) => sum + value, 0) / columns;
    for (let i = 0; i < columns; i++) values[i] -= mean;
  }
  return result;
}

function columnsWithoutMean(matrix: Float32Array, columns: number): Float32Array {
  const result = matrix.slice();
  const rows = matrix.length / columns;
  for (let column = 0; column < columns; column++) {
    let sum = 0;
    for (let i = column; i < matrix.length; i += columns) sum += matrix[i];
    for (let i = column; i < matrix.length; i += columns) result[i] -= sum / rows;
  }
  return result;
}
