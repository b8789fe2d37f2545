/** A new model with random weights from a seed, as a checkpoint in memory. */
import { UnsupportedError } from '../core/errors.ts';
import { type Random, seededRandom } from '../core/random.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { Graph } from '../graph/graph.ts';
import { formatByName } from '../tensor/formats.ts';
import type { Architecture, FreshRules, FreshSizes } from './architecture.ts';
import { architectures } from './index.ts';
import { Metadata } from './metadata.ts';
import { ModelBuilder } from './modelBuilder.ts';

export interface FreshArchitecture extends Architecture {
  readonly fresh: FreshRules;
}

const F32 = formatByName('F32');
/** Standard deviation of the weights, as in GPT-2 (Radford et al. 2019). */
const DEVIATION = 0.02;
/** Name for error messages. */
const NAME = 'new model';

/** @throws {UnsupportedError} if new models of the architecture cannot be created */
export function freshArchitecture(name: string): FreshArchitecture {
  const known = architectures.filter((architecture): architecture is FreshArchitecture => 'fresh' in architecture);
  const found = known.find((architecture) => architecture.name === name);
  if (found) return found;
  const names = known.map((architecture) => architecture.name);
  throw new UnsupportedError('a new model of architecture', name, names);
}

/**
 * Initializes weights as GPT-2: normal with deviation 0.02; matrices that write to the residual stream divided by sqrt(2 · layers);
 * gains 1, biases 0. The same seed produces the same weights, in any reading order.
 */
export function freshCheckpoint(architecture: FreshArchitecture, sizes: FreshSizes, seed: number): Checkpoint {
  const metadata = metadataOf(architecture, sizes);
  const tensors = new Map<string, CheckpointTensor>();
  for (const [index, [name, shape]] of [...shapesOf(architecture, metadata, sizes)].entries()) {
    const random = () => seededRandom(seed ^ Math.imul(index + 1, 0x85ebca6b));
    tensors.set(
      name,
      drawnTensor(name, shape, (values) => fill(values, name, sizes.layers, random())),
    );
  }
  let byteLength = 0;
  for (const tensor of tensors.values()) byteLength += tensor.byteLength;
  return { name: NAME, kind: 'gguf', metadata, tensors, byteLength, async close() {} };
}

function metadataOf({ name, fresh }: FreshArchitecture, sizes: FreshSizes): Map<string, unknown> {
  const keys = {
    context_length: sizes.context,
    embedding_length: sizes.width,
    block_count: sizes.layers,
    feed_forward_length: sizes.ffn,
    vocab_size: sizes.vocabulary,
    'attention.head_count': sizes.heads,
    'attention.head_count_kv': sizes.kvHeads,
    ...fresh.metadata(sizes),
  };
  const own = Object.entries(keys).map(([key, value]): [string, number] => [`${name}.${key}`, value]);
  return new Map<string, unknown>([['general.architecture', name], ...own]);
}

/** Tensors that the architecture's graph needs. Vectors have one dimension. */
function shapesOf(
  architecture: FreshArchitecture,
  metadata: ReadonlyMap<string, unknown>,
  { vocabulary, context, tied }: FreshSizes,
): Map<string, readonly number[]> {
  const { ends, block } = architecture.fresh;
  const names = new Set([...ends, ...(tied ? [] : ['output.weight'])]);
  const isThere = (name: string) => names.has(name) || block.includes(/^blk\.\d+\.(.+)$/.exec(name)?.[1] ?? '');
  const rowsOf: Readonly<Record<string, number>> = { 'token_embd.weight': vocabulary, 'position_embd.weight': context };
  const shapes = new Map<string, readonly number[]>();
  const builder = new ModelBuilder({
    graph: new Graph(),
    metadata: new Metadata(NAME, architecture.name, metadata),
    tensors(name, rows = rowsOf[name] ?? 1, columns = 1) {
      if (!isThere(name)) return undefined;
      shapes.set(name, rows === 1 ? [columns] : [rows, columns]);
      return { format: F32, rows, columns, name };
    },
    fromFolder: false,
    context,
  });
  architecture.build(builder);
  return shapes;
}

function fill(values: Float32Array, name: string, layers: number, random: Random): void {
  if (/norm\.weight$/.test(name)) values.fill(1);
  else if (!name.endsWith('.bias')) {
    const deviation = /\.(attn_output|ffn_down)\.weight$/.test(name) ? DEVIATION / Math.sqrt(2 * layers) : DEVIATION;
    for (let i = 0; i < values.length; i++) values[i] = deviation * random.normal();
  }
}

/** A tensor whose values are generated when they are read. */
function drawnTensor(name: string, shape: readonly number[], draw: (values: Float32Array) => void): CheckpointTensor {
  const elements = shape.reduce((product, size) => product * size, 1);
  let drawn: Uint8Array | undefined;
  return {
    name,
    format: F32,
    shape,
    byteLength: 4 * elements,
    async read(offset, into) {
      if (!drawn) {
        const values = new Float32Array(elements);
        draw(values);
        drawn = new Uint8Array(values.buffer);
      }
      into.set(drawn.subarray(offset, offset + into.length));
      // tensors are read in order, so the values are not needed after the last row
      if (offset + into.length === drawn.length) drawn = undefined;
    },
  };
}
