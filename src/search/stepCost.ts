/** Predicts what a step of a model costs on a measured device: time, bytes read, multiply-adds. */
import { OptionError, UnsupportedError } from '../core/errors.ts';
import {
  type Graph,
  isWeight,
  productOf as opProduct,
  type Registers,
  rowsOf,
  type Value,
  type WeightAttributes,
} from '../graph/graph.ts';
import { isTokens } from '../graph/ops/tokens.ts';
import { weightBytes } from '../graph/ops/weight.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { type CostTable, formatsOf } from './costTable.ts';

/** Size of a step of one sequence. */
export interface StepSize {
  /** Default 1. */
  readonly tokens?: number;
  /** Rows whose logits are computed. Default: all tokens. */
  readonly rows?: number;
  /** Positions in the cache before the step. Default 0. */
  readonly depth?: number;
  /** Default: the largest measured number. */
  readonly threads?: number;
}

export interface StepCost {
  readonly seconds: number;
  /** Bytes of weights and of the cache that are read. */
  readonly bytes: number;
  readonly multiplyAdds: number;
}

/** A product with the rows of a weight, e.g. `linear`. */
export interface ProductShape {
  readonly format: string;
  /** Outputs of a token. With experts: those of the chosen ones together. */
  readonly outputs: number;
  readonly inputs: number;
}

/** Returns the shape of a node that multiplies with a matrix; undefined for other nodes. */
export function productOf(node: Value, registers: Registers): ProductShape | undefined {
  const matrix = node.inputs.find(isMatrix);
  if (!matrix || !isWeight(matrix)) return undefined;
  if (node.op.cost(node.inputs, node.attributes, node.shape, registers).flops === 0) return undefined;
  const outputs = isOfExperts(node) ? node.shape[1] : Number(matrix.shape[0]);
  return { format: matrix.attributes.format.name, outputs, inputs: matrix.shape[1] };
}

const isOfExperts = (node: Value): boolean => opProduct(node)?.experts !== undefined;

const isMatrix = (input: Value): boolean => isWeight(input) && Number(input.shape[0]) > 1;

/** Work that is measured with a graph's other nodes: what the op's file does not compute per step. */
const isFree = (node: Value): boolean => node.inputs.length === 0 && !isTokens(node);

/** Bytes of the weights that a token reads, which decide whether they stay in the caches. */
export function footprintOf(graph: Graph): number {
  const products = new Set<Value>();
  for (const node of graph.live())
    if (productOf(node, { T: 1, P: 0, R: 1, S: 1 }))
      for (const input of node.inputs) if (isWeight(input)) products.add(input);
  let bytes = 0;
  for (const weight of products) bytes += weightBytes(weight);
  return bytes;
}

/** Work of a step by kind. */
export interface StepWork {
  readonly products: readonly (ProductShape & {
    readonly node: Value;
    readonly rows: number;
    /** Weights of the matrix that the step reads, and their bytes. */
    readonly weights: number;
    readonly bytes: number;
    /** Share of the matrix that the step reads: 1, or less with experts that no token chose. */
    readonly share: number;
  })[];
  readonly attention: readonly { readonly node: Value; readonly pairs: number; readonly bytes: number }[];
  readonly other: { readonly nodes: number; readonly elements: number };
}

export function workOf(graph: Graph, registers: Registers): StepWork {
  const products: StepWork['products'][number][] = [];
  const attention: { node: Value; pairs: number; bytes: number }[] = [];
  let [nodes, elements] = [0, 0];
  for (const node of graph.live()) {
    if (isFree(node)) continue;
    const product = productOf(node, registers);
    const rows = rowsOf(node.shape, registers);
    if (product) {
      const matrix = node.inputs.find(isMatrix)!;
      const stored = weightBytes(matrix);
      const share = isOfExperts(node)
        ? node.op.cost(node.inputs, node.attributes, node.shape, registers).bytes / stored
        : 1;
      const weights = share * Number(matrix.shape[0]) * product.inputs;
      products.push({ ...product, node, rows, weights, bytes: share * stored, share });
    } else if (node.op.cacheSlot) {
      const { flops, bytes } = node.op.cost(node.inputs, node.attributes, node.shape, registers);
      attention.push({ node, pairs: flops / 4, bytes });
    } else {
      nodes++;
      elements += rows * node.shape[1];
    }
  }
  return { products, attention, other: { nodes, elements } };
}

/** Work of a step with its sums. */
export interface WholeWork extends StepWork {
  readonly tokens: number;
  /** Bytes of weights and of the cache that are read. */
  readonly bytes: number;
  readonly multiplyAdds: number;
  /** See `footprintOf`. */
  readonly footprint: number;
}

/** @throws {OptionError} for sizes that are not positive */
export function wholeWork(
  graph: Graph,
  { tokens = 1, rows = tokens, depth = 0 }: Omit<StepSize, 'threads'>,
): WholeWork {
  if (!(Number.isInteger(tokens) && tokens >= 1))
    throw new OptionError('tokens', tokens, 'a whole number of at least 1');
  if (!(depth >= 0)) throw new OptionError('depth', depth, 'a number of at least 0');
  const registers: Registers = { T: tokens, P: depth, R: rows, S: tokens };
  const { flops, bytes } = graph.cost(registers);
  return { ...workOf(graph, registers), tokens, bytes, multiplyAdds: flops / 2, footprint: footprintOf(graph) };
}

/**
 * The same work with matrices in other formats, without building the graph again.
 * @param formatOf format of a tensor; undefined: its own
 */
export function recoded(work: WholeWork, formatOf: (tensor: string) => BlockFormat | undefined): WholeWork {
  let { bytes, footprint } = work;
  const counted = new Set<Value>();
  const products = work.products.map((product) => {
    const matrix = product.node.inputs.find(isMatrix)!;
    const { tensor, format: own } = matrix.attributes as WeightAttributes;
    const format = formatOf(tensor) ?? own;
    if (format === own) return product;
    const more = product.bytes * ((format.blockBytes * own.blockSize) / (format.blockSize * own.blockBytes) - 1);
    bytes += more;
    if (!counted.has(matrix)) footprint += more / product.share;
    counted.add(matrix);
    return { ...product, format: format.name, bytes: product.bytes + more };
  });
  return { ...work, products, bytes, footprint };
}

/**
 * @throws {UnsupportedError} if a block format of the graph was not measured; {OptionError} for a number of threads that was
 *   not, or sizes that are not positive
 */
export function stepCost(table: CostTable, graph: Graph, size: StepSize = {}): StepCost {
  return workCost(table, wholeWork(graph, size), size.threads);
}

/** @throws {UnsupportedError} if a block format of the work was not measured; {OptionError} for a number of threads that was not */
export function workCost(table: CostTable, work: WholeWork, threads: number = mostThreads(table)): StepCost {
  const { tokens, bytes, multiplyAdds } = work;
  const share = streamedShare(table, work.footprint);
  let products = 0;
  for (const { format, outputs, inputs, rows: count } of work.products) {
    const measured = table.products.filter((entry) => entry.format === format);
    if (measured.length === 0) throw new UnsupportedError('the unmeasured format', format, [...formatsOf(table)]);
    products += interpolated(
      measured,
      count,
      ({ call, output, cached, streamed }) =>
        call + output * outputs + (cached + share * (streamed - cached)) * outputs * inputs,
    );
  }
  let rest = 0;
  for (const { pairs, bytes: keys } of work.attention)
    rest += interpolated(
      table.attention,
      tokens,
      ({ call, pair, streamedByte }) => call + pair * pairs + share * streamedByte * keys,
    );
  const { nodes, elements } = work.other;
  rest += interpolated(table.other, tokens, ({ node, element }) => node * nodes + element * elements);
  const team = table.threads.filter((entry) => entry.threads === threads);
  if (team.length === 0) throw new OptionError('threads', threads, `one of ${measuredThreads(table).join(', ')}`);
  const all = work.products.length + work.attention.length + nodes;
  const seconds = blended(team, tokens, ({ cached, streamed, other, barrier, step }) => {
    return products * (cached + share * (streamed - cached)) + rest * other + barrier * all + step;
  });
  return { seconds, bytes, multiplyAdds };
}

/** 0 if a model of this size stays in the caches, 1 if it does not; between them by the logarithm of its bytes. */
function streamedShare({ cachedBytes, streamedBytes }: CostTable, bytes: number): number {
  if (streamedBytes <= cachedBytes) return 1;
  const share = Math.log(Math.max(bytes, 1) / cachedBytes) / Math.log(streamedBytes / cachedBytes);
  return Math.min(1, Math.max(0, share));
}

interface Measured {
  readonly tokens: number;
}

/** Linear between the measured numbers of tokens, and beyond the largest. */
function interpolated<Entry extends Measured>(
  entries: readonly Entry[],
  tokens: number,
  seconds: (entry: Entry) => number,
): number {
  const { below, above } = around(entries, tokens);
  if (above === below) return (seconds(above) * tokens) / above.tokens;
  const slope = (seconds(above) - seconds(below)) / (above.tokens - below.tokens);
  return Math.max(0, seconds(below) + slope * (tokens - below.tokens));
}

/** As `interpolated`, but without going beyond what was measured, for values that do not grow with the tokens. */
function blended<Entry extends Measured>(
  entries: readonly Entry[],
  tokens: number,
  value: (entry: Entry) => number,
): number {
  const { below, above } = around(entries, tokens);
  if (above === below) return value(above);
  const share = Math.min(1, Math.max(0, (tokens - below.tokens) / (above.tokens - below.tokens)));
  return value(below) + share * (value(above) - value(below));
}

/** The measured numbers of tokens on both sides; beyond the largest, the largest two. */
function around<Entry extends Measured>(entries: readonly Entry[], tokens: number): { below: Entry; above: Entry } {
  const sorted = entries.slice().sort((a, b) => a.tokens - b.tokens);
  const at = sorted.findIndex((entry) => entry.tokens >= tokens);
  const last = at < 0 ? sorted.length - 1 : at;
  return { above: sorted[last], below: sorted[Math.max(0, last - 1)] };
}

export function measuredThreads(table: CostTable): number[] {
  return [...new Set(table.threads.map(({ threads }) => threads))].sort((a, b) => a - b);
}

function mostThreads(table: CostTable): number {
  return measuredThreads(table).at(-1) ?? 1;
}
