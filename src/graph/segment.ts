/**
 * The part of a graph that a step runs: everything that its outputs need, and the layers whose keys and values it stores.
 * `until` stops after a layer; `from` continues with the rows that earlier steps kept there.
 */
import { OptionError } from '../core/errors.ts';
import { cacheSlots, type Graph, type StateLayout, stateLayout, type Value } from './graph.ts';
import { type InputAttributes, isInput } from './ops/input.ts';
import { type CachedStep, PAGE_POSITIONS, type Page, pageIndex } from './step.ts';

export interface SegmentOptions {
  /** Outputs that the step computes. */
  readonly outputs: readonly string[];
  /** Names of cuts. */
  readonly from?: string;
  readonly until?: string;
}

export interface Segment {
  /** Nodes to run, in graph order, with `from`. */
  readonly nodes: readonly Value[];
  /** Cuts where the segment begins and ends. */
  readonly from?: Value;
  readonly until?: Value;
  /** Layers whose keys, values or states it stores, as a set of bits; in a step without a cache none are stored. */
  readonly layers: bigint;
  /** Layers that lie before `from`. */
  readonly before: bigint;
  /** True if it stores all layers of the program's pages. */
  readonly isComplete: boolean;
  readonly inputs: readonly Value<InputAttributes>[];
  /** True if it must run without a cache. */
  readonly batchOnly: boolean;
}

/**
 * @param cached true if the step has a cache, and so stores keys and values
 * @param all layers of the program's pages @throws {OptionError}
 */
export function segmentOf(graph: Graph, options: SegmentOptions, cached: boolean, all: bigint): Segment {
  const [from, until] = [options.from, options.until].map((name) => cutOf(graph, name));
  if (from && until && until.id <= from.id)
    throw new OptionError('until', options.until, `a layer behind ${options.from}, where the step begins`);
  const wanted = options.outputs.map((name) => graph.outputs.get(name)!);
  const behindFrom = from && dependents(graph, from);
  const behindUntil = until && dependents(graph, until);
  const storing = storingNodes(graph.live(graph.outputs.values()));
  const needed = new Set(graph.live(wanted, from));
  const left = exitNodes(graph, from?.id ?? -1);
  const early = exitNodes(graph, until?.id ?? -1);
  const stores = storing.filter(
    (node) =>
      ((behindFrom?.has(node) ?? true) && !behindUntil?.has(node) && !left.has(node)) ||
      (early.has(node) && needed.has(node)),
  );
  for (const [i, output] of wanted.entries()) {
    const missing = storingNodes(graph.live([output], from)).find((node) => !stores.includes(node));
    if (missing)
      throw new OptionError(
        'output',
        options.outputs[i],
        `one that does not need ${missing.label}, which this step leaves out`,
      );
  }
  const nodes = graph.live([...wanted, ...(until ? [until] : []), ...(cached ? stores : [])], from);
  const layers = cached ? bitsOf(stores) : 0n;
  return {
    nodes,
    from,
    until,
    layers,
    isComplete: !from && (layers & all) === all,
    before: from ? bitsOf(storing.filter((node) => !behindFrom!.has(node))) : 0n,
    inputs: nodes.filter(isInput),
    batchOnly: nodes.some(({ op, attributes }) => op.batchOnly?.(attributes)),
  };
}

/** Layers that a program stores, as a set of bits. */
export function layersOf(graph: Graph): bigint {
  return bitsOf(storingNodes(graph.live()));
}

/**
 * Checks that a derived graph stores keys, values and states as the first program does.
 * @param widths key elements per position of the first program's layers, and its states @throws {OptionError}
 */
export function checkSlots(
  nodes: readonly Value[],
  widths: readonly number[],
  states: StateLayout,
  filled = (size: number) => size,
): void {
  for (const { layer, heads, headSize } of cacheSlots(nodes)) {
    const width = heads * filled(headSize);
    if (widths[layer] !== width)
      throw new OptionError(`keys of layer ${layer}`, width, `${widths[layer] ?? 0} elements, as in the first program`);
  }
  for (const [layer, { elements }] of stateLayout(nodes).slots)
    if (states.slots.get(layer)?.elements !== elements)
      throw new OptionError(`state of layer ${layer}`, elements, 'as many elements as in the first program');
}

/**
 * Nodes of exits at a cut or before it that no other output needs. A step that continues at the cut leaves them out; one that stops there
 * runs those that it wants. @param at id of the cut; -1: none
 */
function exitNodes(graph: Graph, at: number): Set<Value> {
  const others = new Set(
    graph.live([...graph.outputs].filter(([name]) => !graph.exits.has(name)).map(([, value]) => value)),
  );
  const found = new Set<Value>();
  for (const [name, cut] of graph.exits)
    if (cut.id <= at)
      for (const node of graph.live([graph.outputs.get(name)!], cut)) if (!others.has(node)) found.add(node);
  return found;
}

/** @throws {OptionError} if the graph has no such cut */
function cutOf(graph: Graph, name: string | undefined): Value | undefined {
  if (name === undefined) return undefined;
  const cut = graph.cuts.get(name);
  if (!cut)
    throw new OptionError('cut', name, `one of ${[...graph.cuts.keys()].join(', ') || 'none, as the graph has none'}`);
  return cut;
}

function storingNodes(nodes: readonly Value[]): Value[] {
  return nodes.filter(({ op }) => op.cacheSlot || op.stateSlot);
}

/** Nodes that depend on a value, with itself. */
function dependents(graph: Graph, value: Value): Set<Value> {
  const found = new Set([value]);
  for (const node of graph.nodes) if (node.inputs.some((input) => found.has(input))) found.add(node);
  return found;
}

function bitsOf(nodes: readonly Value[]): bigint {
  let bits = 0n;
  for (const { op, inputs, attributes } of nodes) {
    const layer = op.cacheSlot?.(attributes).layer ?? op.stateSlot!(inputs, attributes).layer;
    bits |= 1n << BigInt(layer);
  }
  return bits;
}

/**
 * Checks that the past of every sequence is stored in all layers that the step runs, and the step's own positions in all
 * layers before `from`. @throws {OptionError}
 */
export function checkStored({ sequences }: CachedStep, { layers, before }: Segment): void {
  for (const { position, tokens, pages } of sequences) {
    for (let i = 0; i <= pageIndex(position + tokens.length - 1); i++) {
      const { partial } = pages[i];
      if (!partial) continue;
      for (let at = i * PAGE_POSITIONS; at < Math.min(position + tokens.length, (i + 1) * PAGE_POSITIONS); at++) {
        const needed = at < position ? layers : before;
        const missing = needed & ~(partial[at % PAGE_POSITIONS] ?? needed);
        if (missing !== 0n)
          throw new OptionError(
            'position',
            position,
            `a past with keys and values of layers ${layerNames(missing)}, which position ${at} lacks`,
          );
      }
    }
  }
}

/** Notes which layers a step has stored. @param all layers of the program whose pages these are */
export function markStored({ sequences }: CachedStep, segment: Segment, all: bigint): void {
  for (const { position, tokens, pages } of sequences)
    for (let i = pageIndex(position); i <= pageIndex(position + tokens.length - 1); i++) {
      const page = pages[i];
      if (segment.isComplete && !page.partial) continue;
      const end = Math.min(position + tokens.length, (i + 1) * PAGE_POSITIONS);
      for (let at = Math.max(position, i * PAGE_POSITIONS); at < end; at++)
        setStored(page, at % PAGE_POSITIONS, segment, all);
    }
}

function setStored(page: Page, index: number, { layers, before, from }: Segment, all: bigint): void {
  const stored = from ? (page.partial?.[index] ?? before) | layers : layers;
  page.partial ??= new Array<bigint | undefined>(PAGE_POSITIONS).fill(undefined);
  page.partial[index] = (stored & all) === all ? undefined : stored;
  if (page.partial.every((other) => other === undefined)) page.partial = undefined;
}

function layerNames(bits: bigint): string {
  const names: number[] = [];
  for (let layer = 0; bits >> BigInt(layer) !== 0n; layer++) if ((bits >> BigInt(layer)) & 1n) names.push(layer);
  return names.join(', ');
}
