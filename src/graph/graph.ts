/**
 * The intermediate representation: a model is a list of nodes in the order they were made, each the value of one op.
 * Values are f32 matrices [rows, width]; rows may be symbolic. Legend: T tokens of this step, R rows asked for at the
 * end (those whose logits are wanted), P positions already in the cache, S tokens of each sequence, D model width, H heads, K head size, V vocabulary.
 */
import { EspalierError } from '../core/errors.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';

/** A size: known, or one of the run-time registers. */
export type Dim = number | 'T' | 'R';
export type Shape = readonly [rows: Dim, width: number];

/** The registers' values of one step. */
export interface Registers {
  readonly T: number;
  readonly P: number;
  readonly R: number;
  /** T is a multiple of it, and token t stands at position P + t mod S; a step without a cache has P = 0. */
  readonly S: number;
}

/** What one step of a node costs: multiply-adds count as two flops; bytes are those of weights and of cache read. */
export interface Cost {
  readonly flops: number;
  readonly bytes: number;
}

/** Keys and values that a node keeps for every position of a sequence. */
export interface CacheSlot {
  /** Number of the slot; nodes of one graph have different ones. */
  readonly layer: number;
  /** Key heads. */
  readonly heads: number;
  readonly headSize: number;
}

/**
 * An op: its name, the shape of its value, its cost, and what shared code must know of it. What it computes is said in its
 * file and done by the backends.
 */
export interface Op<Attributes> {
  readonly name: string;
  /** @throws {GraphError} if the inputs' shapes do not fit */
  shape(inputs: readonly Value[], attributes: Attributes): Shape;
  cost(inputs: readonly Value[], attributes: Attributes, shape: Shape, registers: Registers): Cost;
  /** What its nodes keep in a sequence's cache. Absent: nothing. */
  cacheSlot?(attributes: Attributes): CacheSlot;
  /** Its nodes change a weight or a state, so a step that is asked for them runs to their end. Default false. */
  readonly hasEffects?: boolean;
  /** Its nodes run only in steps without a cache, as gradients do. Default false. */
  readonly batchOnly?: boolean;
}

/** A node of the graph and the value it yields. */
export interface Value<Attributes = unknown> {
  readonly id: number;
  readonly op: Op<Attributes>;
  readonly inputs: readonly Value[];
  readonly attributes: Attributes;
  readonly shape: Shape;
  /** Where in the model it stands, for dumps and traces: 'blk.3.attn_q'. */
  readonly label: string;
  readonly graph: Graph;
}

/** Inputs of an op that do not fit each other. */
export class GraphError extends EspalierError {
  constructor(op: string, problem: string, inputs: readonly Value[]) {
    const shapes = inputs.map((input) => `${input.label} [${input.shape.join(', ')}]`).join(', ');
    super('BAD_GRAPH', `${op}: ${problem}; inputs: ${shapes}`, { op, inputs: inputs.map((input) => input.shape) });
  }
}

export class Graph {
  readonly nodes: Value[] = [];
  /** What a program of this graph can be asked for, by name: 'logits', 'hidden'. */
  readonly outputs = new Map<string, Value>();
  #scope = '';

  /** Appends a node; ops' own functions call this. `label` is put behind the current scope. */
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

  /** Labels of the nodes made inside `build` begin with `name`. */
  scope<R>(name: string, build: () => R): R {
    const outer = this.#scope;
    this.#scope = `${outer}${name}.`;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  /** Cost of a whole step, of all outputs. */
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

  /** The nodes that some values need, in order; default: those that the outputs need. */
  live(values: Iterable<Value> = this.outputs.values()): Value[] {
    const needed = new Set<Value>();
    const visit = (node: Value): void => {
      if (needed.has(node)) return;
      needed.add(node);
      node.inputs.forEach(visit);
    };
    for (const value of values) visit(value);
    return this.nodes.filter((node) => needed.has(node));
  }
}

/** The cache slots of some nodes, in their order. */
export function cacheSlots(nodes: readonly Value[]): CacheSlot[] {
  return nodes.flatMap(({ op, attributes }) => op.cacheSlot?.(attributes) ?? []);
}

/** Rows of a shape in one step. */
export function rowsOf(shape: Shape, registers: Registers): number {
  const rows = shape[0];
  return typeof rows === 'number' ? rows : registers[rows];
}

/** An elementwise op's shape: that of its first input, which all the others share. */
export function sameShape(op: string, inputs: readonly Value[]): Shape {
  const [first, ...others] = inputs;
  for (const other of others) {
    if (other.shape[0] !== first!.shape[0] || other.shape[1] !== first!.shape[1])
      throw new GraphError(op, 'shapes differ', inputs);
  }
  return first!.shape;
}

/** Cost of an elementwise op of `flops` per element. */
export function elementwiseCost(flops: number, shape: Shape, registers: Registers): Cost {
  return { flops: flops * rowsOf(shape, registers) * shape[1], bytes: 0 };
}

/** A constant of the model, kept in the format of its file. */
export interface WeightAttributes {
  readonly tensor: string;
  readonly format: BlockFormat;
}

export function isWeight(value: Value): value is Value<WeightAttributes> {
  return value.op.name === 'weight';
}
