/** The reference backend: slow and simple. Other backends are tested against it. */
import { EspalierError, OptionError, UnsupportedError } from '../../core/errors.ts';
import {
  cacheSlots,
  type Graph,
  isWeight,
  type Registers,
  rowsOf,
  type StateLayout,
  stateLayout,
  type Value,
} from '../../graph/graph.ts';
import { inputValues, isInput } from '../../graph/ops/input.ts';
import { isState } from '../../graph/ops/state.ts';
import {
  type Backend,
  type CompileOptions,
  type Limits,
  type MemoryNeeds,
  type Program,
  type Settings,
  tensorNode,
  type WeightStore,
} from '../../graph/program.ts';
import { checkSlots, checkStored, layersOf, markStored, segmentOf } from '../../graph/segment.ts';
import {
  checkStates,
  checkStep,
  isCached,
  markStates,
  NO_CACHE,
  PAGE_POSITIONS,
  type Page,
  type PageStore,
  type Step,
  type StepResult,
} from '../../graph/step.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import { ImmediateResult, idsOf, keptRows } from '../immediateResult.ts';
import type { Matrix, ReferenceKernel, ReferenceSequence, StepContext } from './kernel.ts';
import * as attention from './ops/attention.ts';
import * as deltaRule from './ops/deltaRule.ts';
import * as dropout from './ops/dropout.ts';
import * as elementwise from './ops/elementwise.ts';
import * as embed from './ops/embed.ts';
import * as experts from './ops/experts.ts';
import * as layerNorm from './ops/layerNorm.ts';
import * as linear from './ops/linear.ts';
import * as loss from './ops/loss.ts';
import * as rmsNorm from './ops/rmsNorm.ts';
import * as rope from './ops/rope.ts';
import * as rows from './ops/rows.ts';
import * as selectiveScan from './ops/selectiveScan.ts';
import * as shortConv from './ops/shortConv.ts';
import * as update from './ops/update.ts';
import { ReferencePage, ReferencePages } from './pages.ts';

// kernels are found by op name, so each kernel gets the attributes of its own op
const kernels = {
  ...attention,
  ...deltaRule,
  ...dropout,
  ...elementwise,
  ...embed,
  ...experts,
  ...layerNorm,
  ...linear,
  ...loss,
  ...rmsNorm,
  ...rope,
  ...rows,
  ...selectiveScan,
  ...shortConv,
  ...update,
} as Readonly<Record<string, unknown>> as Readonly<Record<string, ReferenceKernel>>;

const F32_BYTES = 4;

export const reference: Backend = {
  name: 'reference',
  async memoryNeeds(
    graph: Graph,
    { maxTokens: T, maxRows: R }: Limits,
    _kv: BlockFormat,
    settings?: Settings,
  ): Promise<MemoryNeeds> {
    checkSettings(settings);
    const registers = { T, P: 0, R, S: T };
    const bytes = { weights: 0, values: 0 };
    for (const node of graph.live())
      bytes[isWeight(node) || isState(node) ? 'weights' : 'values'] +=
        F32_BYTES * rowsOf(node.shape, registers) * node.shape[1];
    const width = cacheSlots(graph.live()).reduce((sum, { heads, headSize }) => sum + heads * headSize, 0);
    return {
      weightBytes: bytes.weights,
      pageBytes: 2 * F32_BYTES * PAGE_POSITIONS * width,
      stateBytes: F32_BYTES * stateLayout(graph.live()).elements,
      activationBytes: bytes.values,
      limitBytes: Number.MAX_SAFE_INTEGER,
    };
  },
  async compile(graph: Graph, options: CompileOptions): Promise<Program> {
    checkSettings(options.settings);
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

/** Accepts `threads`, but always computes on one thread. There are no other settings. */
function checkSettings(settings: Settings = {}): void {
  for (const name of Object.keys(settings))
    if (name !== 'threads')
      throw new OptionError(
        `setting ${name}`,
        settings[name],
        'no setting, because the reference backend has none of this name',
      );
}

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

/** Key elements per position of each layer. */
function widthsOf(nodes: readonly Value[]): number[] {
  const widths: number[] = [];
  for (const { layer, heads, headSize } of cacheSlots(nodes)) {
    while (widths.length < layer) widths.push(0);
    widths[layer] = heads * headSize;
  }
  return widths;
}

class ReferenceProgram implements Program {
  readonly graph: Graph;
  readonly maxTokens: number;
  readonly maxRows: number;
  readonly context: number;
  readonly description = { backend: 'reference', settings: {}, limits: [] };
  readonly exactSettings = {};
  readonly #nodes: readonly Value[];
  /** Values of weights and states. */
  readonly #kept: Map<Value, Float32Array>;
  readonly #stores: Set<ReferencePages>;
  readonly #states: StateLayout;
  readonly #widths: readonly number[];
  /** Layers of its pages. */
  readonly #layers: bigint;
  readonly #first: ReferenceProgram | undefined;
  #values = new Map<Value, Matrix>();
  #isDisposed = false;

  /** @param first program whose pages it takes too */
  constructor(
    graph: Graph,
    nodes: readonly Value[],
    kept: Map<Value, Float32Array>,
    options: Limits,
    first?: ReferenceProgram,
  ) {
    this.graph = graph;
    this.maxTokens = options.maxTokens;
    this.maxRows = options.maxRows;
    this.context = options.context;
    this.#nodes = nodes;
    this.#stores = first ? first.#stores : new Set();
    this.#states = first ? first.#states : stateLayout(nodes);
    this.#widths = first ? first.#widths : widthsOf(nodes);
    this.#layers = first ? first.#layers : layersOf(graph);
    if (first) checkSlots(nodes, this.#widths, this.#states);
    this.#kept = kept;
    this.#first = first;
  }

  get memoryBytes(): number {
    let bytes = 0;
    for (const matrix of [...this.#kept.values(), ...this.#values.values()]) bytes += matrix.byteLength;
    for (const pages of this.#stores) bytes += pages.bytes;
    return bytes;
  }

  openPages(kv: BlockFormat): PageStore {
    const pages = new ReferencePages(this.#widths, this.#states.elements, kv);
    this.#stores.add(pages);
    return pages;
  }

  run(step: Step): StepResult {
    this.#checkAlive();
    const { rows, inputs, choose, from, until } = step;
    const { registers, outputs, positions, tokens: given } = checkStep(this, step);
    const hasStates = this.#states.elements > 0;
    if (isCached(step) && hasStates) checkStates(step);
    const sequences = this.#sequencesOf(step);
    const tokens = idsOf(given);
    const kept = (node: Value) => this.#kept.get(node)!;
    const context = { registers, tokens, positions, selected: rows, sequences, kept };
    const wanted = [...outputs, ...(choose ? [choose.output] : [])];
    const segment = segmentOf(this.graph, { outputs: wanted, from: from?.cut, until }, isCached(step), this.#layers);
    if (sequences && segment.batchOnly) throw new OptionError('sequences', 'given', NO_CACHE);
    if (isCached(step)) checkStored(step, segment);
    const begun = segment.from && keptRows(from!.cut, from!.rows, segment.from.shape[1]);
    this.#values = new Map(this.#kept);
    if (segment.from) this.#values.set(segment.from, begun!);
    for (const node of segment.nodes) if (node !== segment.from) this.#compute(node, registers, inputs, context);
    if (isCached(step)) {
      markStored(step, segment, this.#layers);
      if (hasStates) markStates(step);
    }
    const values = this.#values;
    const cut = segment.until && { name: until!, rows: values.get(segment.until) as Float32Array };
    return new ImmediateResult(
      outputs,
      (name) => values.get(this.graph.outputs.get(name)!) as Float32Array,
      choose,
      cut,
    );
  }

  /** @throws {EspalierError} DISPOSED */
  #checkAlive(): void {
    if (this.#isDisposed) throw new EspalierError('DISPOSED', 'the model was disposed of and cannot run');
    if (this.#first) this.#first.#checkAlive();
  }

  #sequencesOf(step: Step): ReferenceSequence[] | undefined {
    if (!isCached(step)) return undefined;
    let first = 0;
    return step.sequences.map(({ position, tokens, pages }) => {
      const own = pages.map((page) => this.#ownPage(page));
      const state = (page: number, layer: number) => this.#stateOf(own[page], layer);
      const sequence = { first, count: tokens.length, position, pages: own, state };
      first += tokens.length;
      return sequence;
    });
  }

  #stateOf(page: ReferencePage | undefined, layer: number): Float32Array | undefined {
    const { offset, elements } = this.#states.slots.get(layer)!;
    return page?.state?.values.subarray(offset, offset + elements);
  }

  #ownPage(page: Page): ReferencePage {
    if (page instanceof ReferencePage && this.#stores.has(page.store)) return page.store.own(page);
    throw new OptionError('page', 'of another program', 'a page of this program');
  }

  #compute(node: Value, registers: Registers, inputs: Step['inputs'], context: StepContext): void {
    if (this.#kept.has(node)) return;
    if (isInput(node)) {
      this.#values.set(node, inputValues(node, inputs, registers));
      return;
    }
    const output = new Float32Array(rowsOf(node.shape, registers) * node.shape[1]);
    kernels[node.op.name](
      node,
      node.inputs.map((input) => this.#values.get(input)!),
      output,
      context,
    );
    this.#values.set(node, output);
  }

  async derive(graph: Graph): Promise<Program> {
    const nodes = graph.live();
    const kept = new Map(
      nodes.filter((node) => isWeight(node) || isState(node)).map((node) => [node, this.#sharedValues(node)]),
    );
    const { maxTokens, maxRows, context } = this;
    return new ReferenceProgram(graph, nodes, kept, { maxTokens, maxRows, context }, this);
  }

  /** Values of a weight of a derived graph: those of this program's weight, of which it may take the first rows. */
  #sharedValues(node: Value): Float32Array {
    const name = isWeight(node) ? node.attributes.tensor : node.label;
    const own = this.#nodes.find((other) => isWeight(node) && isWeight(other) && other.attributes.tensor === name);
    const values = own && this.#kept.get(own);
    const [rows, width] = node.shape as readonly [number, number];
    if (!values || own.shape[1] !== width || rows * width > values.length)
      throw new OptionError('tensor', `${name} [${rows}, ${width}]`, 'rows of a weight of the first program');
    return values.subarray(0, rows * width);
  }

  async readTensor(name: string): Promise<Float32Array> {
    return this.#kept.get(tensorNode(this.#nodes, name))!.slice();
  }

  async writeTensor(name: string, values: Float32Array): Promise<void> {
    this.#kept.get(tensorNode(this.#nodes, name, values))!.set(values);
  }

  /** Values of all nodes in the last step, for tests. */
  value(node: Value): Matrix {
    return this.#values.get(node)!;
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#kept.clear();
    this.#values.clear();
  }
}
