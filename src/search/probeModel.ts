/** Graphs of models that do not exist, in any size and format: to measure, and to ask what a model of that shape would cost. */
import { Graph } from '../graph/graph.ts';
import type { FreshSizes } from '../models/architecture.ts';
import { freshArchitecture } from '../models/freshModel.ts';
import { Metadata } from '../models/metadata.ts';
import { ModelBuilder } from '../models/modelBuilder.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';

export interface ModelShape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly ffn: number;
  readonly vocabulary: number;
  /** Default: width / heads. */
  readonly headSize?: number;
}

const NAME = 'llama';

/** The graph of a Llama-like model whose matrices all have one format. */
export function shapedGraph(shape: ModelShape, format: BlockFormat, context: number): Graph {
  const architecture = freshArchitecture(NAME);
  const headSize = shape.headSize ?? shape.width / shape.heads;
  const sizes: FreshSizes = { ...shape, headSize, context, tied: false, normEpsilon: 1e-5, ropeBase: 10_000 };
  const keys = {
    context_length: context,
    embedding_length: shape.width,
    block_count: shape.layers,
    feed_forward_length: shape.ffn,
    vocab_size: shape.vocabulary,
    'attention.head_count': shape.heads,
    'attention.head_count_kv': shape.kvHeads,
    ...architecture.fresh.metadata(sizes),
  };
  const metadata = new Map<string, unknown>(Object.entries(keys).map(([key, value]) => [`${NAME}.${key}`, value]));
  const { ends, block } = architecture.fresh;
  const graph = new Graph();
  const builder = new ModelBuilder({
    graph,
    metadata: new Metadata('shape', NAME, metadata),
    tensors(name, rows = name === 'token_embd.weight' || name === 'output.weight' ? shape.vocabulary : 1, columns = 1) {
      const known = ends.includes(name) || name === 'output.weight' || block.includes(name.replace(/^blk\.\d+\./, ''));
      return known ? { format: rows === 1 ? formatByName('F32') : format, rows, columns, name } : undefined;
    },
    fromFolder: false,
    context,
  });
  architecture.build(builder);
  return graph;
}
