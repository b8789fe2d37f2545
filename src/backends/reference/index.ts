/** The reference backend: slow, obvious, and what every other backend is held to. */
import { UnsupportedError } from '../../core/errors.ts';
import { type Graph, isWeight, type Registers, rowsOf, type Value } from '../../graph/graph.ts';
import type { AttentionAttributes } from '../../graph/ops/attention.ts';
import type { Backend, Cache, CompileOptions, Program, Step, WeightStore } from '../../graph/program.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import { ReferenceCache } from './cache.ts';
import type { Matrix, ReferenceKernel } from './kernel.ts';
import { attention } from './ops/attention.ts';
import { activation, add, multiply, scale, softcap } from './ops/elementwise.ts';
import { embed } from './ops/embed.ts';
import { layerNorm } from './ops/layerNorm.ts';
import { linear } from './ops/linear.ts';
import { rmsNorm } from './ops/rmsNorm.ts';
import { rope } from './ops/rope.ts';
import { columns, positions, selectRows, tokens } from './ops/rows.ts';

// attributes are those of the node's op by construction, so each kernel may read its own kind
const kernels = {
  activation,
  add,
  attention,
  columns,
  embed,
  layerNorm,
  linear,
  multiply,
  positions,
  rmsNorm,
  rope,
  scale,
  selectRows,
  softcap,
  tokens,
} as Readonly<Record<string, unknown>> as Readonly<Record<string, ReferenceKernel>>;

export const reference: Backend = {
  name: 'reference',
  async compile(graph: Graph, options: CompileOptions): Promise<Program> {
    const nodes = graph.live();
    const weights = new Map<Value, Matrix>();
    for (const node of nodes) {
      if (isWeight(node)) weights.set(node, await decodeWeight(node, options.weights, options.signal));
      else if (!kernels[node.op.name]) throw new UnsupportedError('op', node.op.name, Object.keys(kernels));
    }
    return new ReferenceProgram(graph, nodes, weights, options);
  },
};

async function decodeWeight(
  node: Value<{ format: BlockFormat; tensor: string }>,
  store: WeightStore,
  signal?: AbortSignal,
) {
  const [rows, width] = node.shape as readonly [number, number];
  const { format } = node.attributes;
  const bytes = new Uint8Array(bytesOf(format, rows * width));
  await store.readRows(node, 0, bytes, signal);
  const matrix = new Float32Array(rows * width);
  format.decode(bytes, 0, matrix, 0, matrix.length / format.blockSize);
  return matrix;
}

class ReferenceProgram implements Program {
  readonly graph: Graph;
  readonly maxTokens: number;
  readonly maxRows: number;
  readonly description = { backend: 'reference', variant: 'f32', threads: 1, decodeThreads: 1 };
  readonly #nodes: readonly Value[];
  readonly #weights: Map<Value, Matrix>;
  #values = new Map<Value, Matrix>();

  constructor(graph: Graph, nodes: readonly Value[], weights: Map<Value, Matrix>, options: CompileOptions) {
    this.graph = graph;
    this.maxTokens = options.maxTokens;
    this.maxRows = options.maxRows;
    this.#nodes = nodes;
    this.#weights = weights;
  }

  get memoryBytes(): number {
    let bytes = 0;
    for (const matrix of [...this.#weights.values(), ...this.#values.values()]) bytes += matrix.byteLength;
    return bytes;
  }

  createCache(context: number, kv: BlockFormat): Cache {
    const widths: number[] = [];
    for (const node of this.#nodes) {
      if (node.op.name !== 'attention') continue;
      const { layer, kvHeads, headSize } = node.attributes as AttentionAttributes;
      widths[layer] = kvHeads * headSize;
    }
    return new ReferenceCache(context, widths, kv);
  }

  run({ cache, tokens, position, rows }: Step): void {
    if (!(cache instanceof ReferenceCache)) throw new TypeError('a cache of another program');
    const registers: Registers = { T: tokens.length, P: position, R: rows.length };
    const step = { registers, tokens, selected: rows, cache };
    this.#values = new Map(this.#weights);
    for (const node of this.#nodes) {
      if (isWeight(node)) continue;
      const output = new Float32Array(rowsOf(node.shape, registers) * node.shape[1]);
      kernels[node.op.name]!(
        node,
        node.inputs.map((input) => this.#values.get(input)!),
        output,
        step,
      );
      this.#values.set(node, output);
    }
  }

  output(name: string): Float32Array {
    return this.#values.get(this.graph.outputs.get(name)!)!;
  }

  /** Every node's value of the last step, for tests that look inside. */
  value(node: Value): Float32Array {
    return this.#values.get(node)!;
  }

  dispose(): void {
    this.#weights.clear();
    this.#values.clear();
  }
}
