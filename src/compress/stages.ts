/**
 * Cuts a model's graph into stages that run one after another: what comes before the blocks, each block, and what comes after
 * them. A stage is a graph of its own whose inputs are values of earlier stages, so only one stage's weights are in memory.
 */
import { UnsupportedError } from '../core/errors.ts';
import { Graph, type Product, productOf, type Value } from '../graph/graph.ts';
import { input } from '../graph/ops/input.ts';

/** Number of channels of a product's input. */
export const channelsOf = ({ weight }: Product): number => weight.shape[1];

export interface Stage {
  /** Outputs and inputs are named by the label and number of the value in the whole graph. */
  readonly graph: Graph;
  /** Values of earlier stages that this one reads: name → width. */
  readonly inputs: ReadonlyMap<string, number>;
  /** Values that later stages read: name → width. */
  readonly outputs: ReadonlyMap<string, number>;
  readonly products: readonly Product[];
}

/**
 * @param whole a decoder's graph with the output 'logits'
 * @throws {UnsupportedError} if a weight belongs to several blocks, as in models that run their blocks several times
 */
export function stagesOf(whole: Graph, file: string): Stage[] {
  const nodes = whole.live([whole.outputs.get('logits')!]);
  const stage = new Map<Value, number>();
  const last = 2 + nodes.reduce((most, { label }) => Math.max(most, blockOf(label) ?? -1), -1);
  for (const node of nodes) {
    if (isSource(node)) continue;
    const before = node.inputs.reduce((most, each) => Math.max(most, stage.get(each) ?? 0), 0);
    const block = blockOf(node.label);
    // what follows the blocks has no block's label
    const own = block !== undefined ? block + 1 : before > 0 ? last : 0;
    stage.set(node, Math.max(before, own));
  }
  const graphs = Array.from({ length: last + 1 }, (_, index) => cut(nodes, stage, index));
  refuseSharedProducts(graphs, file);
  return graphs;
}

const blockOf = (label: string): number | undefined => {
  const block = /^blk\.(\d+)\./.exec(label)?.[1];
  return block === undefined ? undefined : Number(block);
};

/** Weights, tokens and positions are in every stage that reads them. */
const isSource = (node: Value): boolean => node.inputs.length === 0;

const nameOf = ({ label, id }: Value): string => `${label} #${id}`;

function cut(nodes: readonly Value[], stage: ReadonlyMap<Value, number>, index: number): Stage {
  const graph = new Graph();
  const copies = new Map<Value, Value>();
  const inputs = new Map<string, number>();
  const outputs = new Map<string, number>();
  const copyOf = (value: Value): Value => {
    const known = copies.get(value);
    if (known) return known;
    const isOwn = stage.get(value) === index;
    const copy =
      isOwn || isSource(value)
        ? graph.add(value.op, value.inputs.map(copyOf), value.attributes, value.label)
        : input(graph, nameOf(value), value.shape[0], value.shape[1], 'f32');
    if (!isOwn && !isSource(value)) inputs.set(nameOf(value), value.shape[1]);
    copies.set(value, copy);
    return copy;
  };
  const products: Product[] = [];
  for (const node of nodes) {
    if (stage.get(node) !== index) continue;
    const copy = copyOf(node);
    const product = productOf(copy);
    if (product) products.push(product);
  }
  for (const node of nodes) {
    const readers = nodes.filter(({ inputs }) => inputs.includes(node));
    if (stage.get(node) !== index || !readers.some((reader) => stage.get(reader)! > index)) continue;
    outputs.set(nameOf(node), node.shape[1]);
    graph.outputs.set(nameOf(node), copies.get(node)!);
  }
  return { graph, inputs, outputs, products };
}

function refuseSharedProducts(stages: readonly Stage[], file: string): void {
  const seen = new Map<string, number>();
  for (const [index, { products }] of stages.entries()) {
    for (const { weight } of products) {
      const { tensor } = weight.attributes;
      const other = seen.get(tensor);
      if (other !== undefined && other !== index)
        throw new UnsupportedError(`${file}: calibrating a model with a tensor in several blocks,`, tensor, [], {
          tensor,
        });
      seen.set(tensor, index);
    }
  }
}
