/** The reference backend: slow, obvious, and what every other backend is held to. */
import { UnsupportedError } from '../../core/errors.ts';
import { type Graph, isWeight, rowsOf, type Value } from '../../graph/graph.ts';
import type { AttentionAttributes } from '../../graph/ops/attention.ts';
import { inputValues, isInput } from '../../graph/ops/input.ts';
import { isState } from '../../graph/ops/state.ts';
import {
  type Backend,
  type Cache,
  type CompileOptions,
  type Program,
  type Step,
  stepRegisters,
  tensorNode,
  type WeightStore,
} from '../../graph/program.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import { ReferenceCache } from './cache.ts';
import type { Matrix, ReferenceKernel } from './kernel.ts';
import * as attention from './ops/attention.ts';
import * as dropout from './ops/dropout.ts';
import * as elementwise from './ops/elementwise.ts';
import * as embed from './ops/embed.ts';
import * as layerNorm from './ops/layerNorm.ts';
import * as linear from './ops/linear.ts';
import * as loss from './ops/loss.ts';
import * as rmsNorm from './ops/rmsNorm.ts';
import * as rope from './ops/rope.ts';
import * as rows from './ops/rows.ts';
import * as update from './ops/update.ts';

// a kernel has its op's name; attributes are those of the node's op by construction, so it may read its own kind
const kernels = {
  ...attention,
  ...dropout,
  ...elementwise,
  ...embed,
  ...layerNorm,
  ...linear,
  ...loss,
  ...rmsNorm,
  ...rope,
  ...rows,
  ...update,
} as Readonly<Record<string, unknown>> as Readonly<Record<string, ReferenceKernel>>;

export const reference: Backend = {
  name: 'reference',
  async compile(graph: Graph, options: CompileOptions): Promise<Program> {
    const nodes = graph.live();
    const kept = new Map<Value, Float32Array>();
    for (const node of nodes) {
      if (isWeight(node)) kept.set(node, await decodeWeight(node, options.weights, options.signal));
      else if (isState(node)) kept.set(node, new Float32Array(node.attributes.rows * node.attributes.columns));
      else if (isInput(node)) continue;
      else if (!kernels[node.op.name]) throw new UnsupportedError('op', node.op.name, Object.keys(kernels));
    }
    return new ReferenceProgram(graph, nodes, kept, options);
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
  /** Numbers of weights and states. */
  readonly #kept: Map<Value, Float32Array>;
  #values = new Map<Value, Matrix>();

  constructor(graph: Graph, nodes: readonly Value[], kept: Map<Value, Float32Array>, options: CompileOptions) {
    this.graph = graph;
    this.maxTokens = options.maxTokens;
    this.maxRows = options.maxRows;
    this.#nodes = nodes;
    this.#kept = kept;
  }

  get memoryBytes(): number {
    let bytes = 0;
    for (const matrix of [...this.#kept.values(), ...this.#values.values()]) bytes += matrix.byteLength;
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

  run(step: Step): void {
    const { cache, tokens, rows, outputs, inputs } = step;
    if (cache && !(cache instanceof ReferenceCache)) throw new TypeError('a cache of another program');
    const registers = stepRegisters(step);
    const kept = (node: Value) => this.#kept.get(node)!;
    const context = { registers, tokens, selected: rows, cache, kept };
    const wanted = (outputs ?? [...this.graph.outputs.keys()]).map((name) => this.graph.outputs.get(name)!);
    // a cache takes every layer's keys and values, also where no output needs the last layer
    const stored = cache ? this.#nodes.filter(({ op }) => op.name === 'attention') : [];
    this.#values = new Map(this.#kept);
    for (const node of this.graph.live([...wanted, ...stored])) {
      if (this.#kept.has(node)) continue;
      if (isInput(node)) {
        this.#values.set(node, inputValues(node, inputs, registers));
        continue;
      }
      const output = new Float32Array(rowsOf(node.shape, registers) * node.shape[1]);
      kernels[node.op.name]!(
        node,
        node.inputs.map((input) => this.#values.get(input)!),
        output,
        context,
      );
      this.#values.set(node, output);
    }
  }

  output(name: string): Float32Array {
    return Float32Array.from(this.#values.get(this.graph.outputs.get(name)!)!);
  }

  readTensor(name: string): Float32Array {
    return this.#kept.get(tensorNode(this.#nodes, name))!.slice();
  }

  writeTensor(name: string, values: Float32Array): void {
    this.#kept.get(tensorNode(this.#nodes, name, values))!.set(values);
  }

  /** Every node's value of the last step, for tests that look inside. */
  value(node: Value): Matrix {
    return this.#values.get(node)!;
  }

  dispose(): void {
    this.#kept.clear();
    this.#values.clear();
  }
}
