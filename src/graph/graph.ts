/**
 * The intermediate representation. A model is a graph: a list of nodes in the order they were added, and each node is the value of one op.
 * Values are f32 matrices [rows, width]; the number of rows may be a run-time register. Letters: T tokens of this step,
 * R rows of the step's outputs (the tokens whose logits are computed), P positions already in the cache, S tokens per
 * sequence, D model width, H heads, K head size, V vocabulary.
 */
import { EspalierError } from '../core/errors.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';

/** A size: a number, or the name of a run-time register. */
export type Dim = number | 'T' | 'R';
export type Shape = readonly [rows: Dim, width: number];

/** Register values of one step. */
export interface Registers {
  readonly T: number;
  readonly P: number;
  readonly R: number;
  /** Tokens per sequence; divides T. Token t has position P + t mod S. P is 0 in a step without a cache. */
  readonly S: number;
}

/** Cost of a node in one step. A multiply-add counts as two flops; `bytes` counts the weights and the cache that are read. */
export interface Cost {
  readonly flops: number;
  readonly bytes: number;
}

/** Keys and values that a node stores for every position of a sequence. */
export interface CacheSlot {
  /** Index of the slot, unique within a graph. */
  readonly layer: number;
  /** Number of key heads. */
  readonly heads: number;
  readonly headSize: number;
}

/** Recurrent state of a node: what its next token needs to know of the tokens before it, in a size that does not grow. */
export interface StateSlot {
  /** Index of the slot, unique within a graph. */
  readonly layer: number;
  /** Number of f32 values of one sequence. */
  readonly elements: number;
}

/** An op: its name, shape rule and cost. The op's file says what it computes; the backends implement it. */
export interface Op<Attributes> {
  readonly name: string;
  /** @throws {GraphError} if the inputs' shapes do not fit */
  shape(inputs: readonly Value[], attributes: Attributes): Shape;
  cost(inputs: readonly Value[], attributes: Attributes, shape: Shape, registers: Registers): Cost;
  /** Cache slot that a node of this op needs. Default: none. */
  cacheSlot?(attributes: Attributes): CacheSlot;
  /** Recurrent state that a node of this op keeps for each sequence. Default: none. */
  stateSlot?(inputs: readonly Value[], attributes: Attributes): StateSlot;
  /** The matrix product that a node of this op is. Default: none. */
  product?(inputs: readonly Value[], attributes: Attributes): Product;
  /** True if the op changes a weight or a state. Default: false. */
  readonly hasEffects?: boolean;
  /** True if the op only works in steps without a cache, as gradients do. Default: false. */
  batchOnly?(attributes: Attributes): boolean;
}

/** A node of the graph. It represents the value that it computes. */
export interface Value<Attributes = unknown> {
  readonly id: number;
  readonly op: Op<Attributes>;
  readonly inputs: readonly Value[];
  readonly attributes: Attributes;
  readonly shape: Shape;
  /** Label for dumps and traces, e.g. 'blk.3.attn_q'. */
  readonly label: string;
  readonly graph: Graph;
}

/** The inputs of an op do not fit together. */
export class GraphError extends EspalierError {
  declare readonly code: 'BAD_GRAPH';
  constructor(op: string, problem: string, inputs: readonly Value[]) {
    const shapes = inputs.map((input) => `${input.label} [${input.shape.join(', ')}]`).join(', ');
    super('BAD_GRAPH', `${op}: ${problem}; inputs: ${shapes}`, { op, inputs: inputs.map((input) => input.shape) });
  }
}

export class Graph {
  readonly nodes: Value[] = [];
  /** Values that a program of this graph can return, by name: 'logits', 'hidden'. */
  readonly outputs = new Map<string, Value>();
  /** Values [T, D] at which a step can stop and a later one continue, by name: 'blk.3' is the output of that layer. */
  readonly cuts = new Map<string, Value>();
  /** Exits: outputs that a cut and some nodes of their own are enough for, by name, with that cut. */
  readonly exits = new Map<string, Value>();
  #scope = '';

  /** Appends a node. Called by the functions in ops/. The current scope becomes a prefix of `label`. */
  add<A>(op: Op<A>, inputs: readonly Value[], attributes: A, label = op.name): Value<A> {
    const node: Value<A> = {
      id: this.nodes.length,
      op,
      inputs,
      attributes,
      shape: op.shape(inputs, attributes),
      label: this.#scope + label,
      graph: this,
    };
    this.nodes.push(node as Value);
    return node;
  }

  /** Prefixes the labels of all nodes that `build` adds with `name`. */
  scope<R>(name: string, build: () => R): R {
    const outer = this.#scope;
    this.#scope = `${outer}${name}.`;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  /** Cost of one step that computes all outputs. */
  cost(registers: Registers): Cost {
    let flops = 0;
    let bytes = 0;
    for (const node of this.live()) {
      const cost = node.op.cost(node.inputs, node.attributes, node.shape, registers);
      flops += cost.flops;
      bytes += cost.bytes;
    }
    return { flops, bytes };
  }

  /**
   * Nodes that `values` depend on, in graph order. Default: the nodes that the outputs depend on.
   * @param known a value that is known, so that the nodes before it are not needed for it
   */
  live(values: Iterable<Value> = this.outputs.values(), known?: Value): Value[] {
    const needed = new Set<Value>();
    const visit = (node: Value): void => {
      if (needed.has(node)) return;
      needed.add(node);
      if (node !== known) node.inputs.forEach(visit);
    };
    for (const value of values) visit(value);
    return this.nodes.filter((node) => needed.has(node));
  }
}

/** Cache slots of the given nodes, in order. */
export function cacheSlots(nodes: readonly Value[]): CacheSlot[] {
  return nodes.flatMap(({ op, attributes }) => op.cacheSlot?.(attributes) ?? []);
}

/** Places of the recurrent states of layers in the state of a sequence, in f32 elements. */
export interface StateLayout {
  readonly slots: ReadonlyMap<number, { readonly offset: number; readonly elements: number }>;
  readonly elements: number;
}

/** Lays out the recurrent states of the given nodes, by layer. */
export function stateLayout(nodes: readonly Value[]): StateLayout {
  const all = nodes.flatMap(({ op, inputs, attributes }) => op.stateSlot?.(inputs, attributes) ?? []);
  const slots = new Map<number, { offset: number; elements: number }>();
  let total = 0;
  for (const { layer, elements } of all.sort((a, b) => a.layer - b.layer)) {
    slots.set(layer, { offset: total, elements });
    total += elements;
  }
  return { slots, elements: total };
}

/** Number of rows of a shape in one step. */
export function rowsOf(shape: Shape, registers: Registers): number {
  const rows = shape[0];
  return typeof rows === 'number' ? rows : registers[rows];
}

/** Shape rule of elementwise ops: all inputs have the same shape. */
export function sameShape(op: string, inputs: readonly Value[]): Shape {
  const [first, ...others] = inputs;
  for (const other of others) {
    if (other.shape[0] !== first.shape[0] || other.shape[1] !== first.shape[1])
      throw new GraphError(op, 'shapes differ', inputs);
  }
  return first.shape;
}

/** Cost of an elementwise op of `flops` per element. */
export function elementwiseCost(flops: number, shape: Shape, registers: Registers): Cost {
  return { flops: flops * rowsOf(shape, registers) * shape[1], bytes: 0 };
}

/** A constant tensor of the model, stored in the format of its file. */
export interface WeightAttributes {
  readonly tensor: string;
  readonly format: BlockFormat;
}

/** A product with a weight: y = x·Wᵀ. */
export interface Product {
  /** [O, I], or of all experts [E·O, I]. */
  readonly weight: Value<WeightAttributes>;
  readonly x: Value;
  /** Each token's product is with the rows of the experts that `routes` names, of `count`. Default: with all rows. */
  readonly experts?: { readonly count: number; readonly routes: Value };
}

/** The matrix product that a node is, or undefined. */
export function productOf({ op, inputs, attributes }: Value): Product | undefined {
  return op.product?.(inputs, attributes);
}

export function isWeight(value: Value): value is Value<WeightAttributes> {
  return value.op.name === 'weight';
}
