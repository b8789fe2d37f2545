/** Compiles a graph for the WebAssembly kernels: turns nodes into commands, lays out memory, reads and packs the weights. */

import { threadLimit } from '#leaf/backends/wasm/threads';
import { OptionError, UnsupportedError } from '../../core/errors.ts';
import { cacheSlots, type Graph, isWeight, stateLayout, type Value, type WeightAttributes } from '../../graph/graph.ts';
import type { InputAttributes } from '../../graph/ops/input.ts';
import { isState } from '../../graph/ops/state.ts';
import type { CompileOptions, Limits, MemoryNeeds, Program, Settings } from '../../graph/program.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import { formatByName } from '../../tensor/formats.ts';
import { Arena, MEMORY_LIMIT } from './arena.ts';
import { chosenKernels } from './choose.ts';
import { COMMAND_BYTES, FIRST_FREE } from './control.ts';
import { Emitter, type Region } from './emitter.ts';
import { aligned, placeBarriers, placeTemporaries } from './layout.ts';
import type { KeptTensor, Lowering, LoweringContext, PlacedWeights } from './lowering.ts';
import { instantiate, type KernelExports, type KernelModule, kernelModule } from './module.ts';
import * as attention from './ops/attention.ts';
import * as dropout from './ops/dropout.ts';
import * as elementwise from './ops/elementwise.ts';
import * as embed from './ops/embed.ts';
import * as linear from './ops/linear.ts';
import * as linearGradients from './ops/linearGradients.ts';
import * as loss from './ops/loss.ts';
import * as norm from './ops/norm.ts';
import * as normGradients from './ops/normGradients.ts';
import * as rope from './ops/rope.ts';
import * as rows from './ops/rows.ts';
import * as shortConv from './ops/shortConv.ts';
import * as update from './ops/update.ts';
import { filledHead, pageBytes } from './pages.ts';
import { WasmProgram } from './program.ts';
import { startError } from './startError.ts';
import { startWorkers, Team } from './team.ts';
import { type NamedTensor, Tensors } from './tensors.ts';
import { loadWeights, type PackedFormat, type Placement, packedBytes, packedFormat } from './weights.ts';

// lowerings are found by op name, so each lowering gets the attributes of its own op
const lowerings = {
  ...attention,
  ...dropout,
  ...elementwise,
  ...embed,
  ...linear,
  ...linearGradients,
  ...loss,
  ...norm,
  ...normGradients,
  ...rope,
  ...rows,
  ...shortConv,
  ...update,
} as Readonly<Record<string, unknown>> as Readonly<Record<string, Lowering<unknown>>>;

export async function compile(graph: Graph, options: CompileOptions): Promise<Program> {
  const { variant, threads, limits } = readSettings(options.settings);
  const memory = newMemory();
  const loading = variant === undefined ? chosenKernels(options.notes) : kernelModule(variant);
  const workers = startWorkers(loading, memory, threads);
  const kernels = await loading;
  const exports = instantiate(kernels, memory);
  const team = new Team(exports, memory, workers);
  try {
    return await assemble(graph, options, { kernels, memory, exports, team, threads, limits });
  } catch (error) {
    void team.stop();
    throw error;
  }
}

/** Computes the memory needs of a program by generating its commands, without reading weights or allocating memory. */
export async function memoryNeeds(
  graph: Graph,
  limits: Limits,
  kv: BlockFormat,
  settings?: Settings,
): Promise<MemoryNeeds> {
  const { variant, threads } = readSettings(settings);
  const kernels = await (variant === undefined ? chosenKernels(undefined) : kernelModule(variant));
  const exports = askedKernels(kernels);
  const lowered = lower(graph, graph.live(), kernels, exports, limits);
  const { emitter, weights, states, inputs, given, layers, stateElements } = lowered;
  const sizes = (regions: Iterable<Region>) => [...regions].reduce((sum, { bytes }) => sum + aligned(bytes), 0);
  const kept = new Set([...graph.outputs.values()].map((value) => emitter.region(value)));
  const working = placeTemporaries(emitter.commands, kept) + aligned(emitter.scratchBytes) * threads;
  const steps = sizes([...Object.values(inputs), ...given.values()]) + emitter.commands.length * COMMAND_BYTES;
  return {
    weightBytes: sizes(weights.regions) + sizes(states.values()),
    pageBytes: pageBytes(layers, kv),
    stateBytes: 4 * stateElements,
    activationBytes: working + steps,
    limitBytes: MEMORY_LIMIT,
  };
}

/** An instance that is only used for its size functions, one per kernel variant. */
function askedKernels(kernels: KernelModule): KernelExports {
  let exports = asked.get(kernels.module);
  if (!exports) {
    exports = instantiate(kernels, new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true }));
    asked.set(kernels.module, exports);
  }
  return exports;
}

const asked = new Map<WebAssembly.Module, KernelExports>();

/** Checks the settings of this backend. @throws {OptionError} for an unknown name */
function readSettings({ variant, threads, ...others }: Settings = {}) {
  for (const name of Object.keys(others))
    throw new OptionError(`setting ${name}`, others[name], 'variant or threads, the settings of the wasm backend');
  const { most, reason } = threadLimit();
  return {
    variant: variant === undefined ? undefined : String(variant),
    threads: Math.max(1, Math.min(Number(threads ?? most), most)),
    limits: reason !== undefined && threads !== 1 ? [`one thread: ${reason}`] : [],
  };
}

interface Machine {
  readonly kernels: KernelModule;
  readonly memory: WebAssembly.Memory;
  readonly exports: KernelExports;
  readonly team: Team;
  /** Number of threads if all workers start. */
  readonly threads: number;
  readonly limits: readonly string[];
}

async function assemble(graph: Graph, options: CompileOptions, machine: Machine): Promise<WasmProgram> {
  // the program does not reference the store, so that a checkpoint in memory can be collected
  const { weights: _store, ...programOptions } = options;
  const { kernels, memory, exports, team, threads, limits } = machine;
  const nodes = graph.live();
  const lowered = lower(graph, nodes, kernels, exports, options);
  const { emitter, weights, states, inputs, given, layers, stateElements, finished } = lowered;

  const arena = new Arena(memory, FIRST_FREE);
  const kept = new Set([...graph.outputs.values()].map((value) => emitter.region(value)));
  const temporaries = placeTemporaries(emitter.commands, kept);
  const stride = aligned(emitter.scratchBytes);
  const room = arena.allocate(temporaries, 'activations');
  const scratch = arena.allocate(stride * threads, 'scratch');
  for (const region of weights.regions) region.address = arena.allocate(region.bytes, region.label);
  for (const region of [...Object.values(inputs), ...states.values(), ...given.values()])
    region.address = arena.allocate(region.bytes, region.label);

  // nothing is computed before the weights are loaded, so they are staged in the memory of activations
  arena.release(room);
  await weights.load(arena, team, options);
  const base = arena.allocate(temporaries, 'activations');
  const placed = new Set<Region>();
  for (const { reads, writes } of emitter.commands)
    for (const region of [...reads, ...writes])
      if (region.kind === 'temporary' && !placed.has(region)) {
        region.address += base;
        placed.add(region);
      }
  for (const { address, bytes } of states.values()) new Uint8Array(memory.buffer, address, bytes).fill(0);
  await team.complete();
  const program = arena.allocate(emitter.commands.length * COMMAND_BYTES, 'commands');
  const ends = new Map<string, number>();
  for (const [name, value] of graph.outputs)
    ends.set(name, finished.get(value) ?? lastWriter(emitter, emitter.region(value)));
  const stored = emitter.commands.findLastIndex(({ storesCache }) => storesCache);
  const forced = new Set([...ends.values(), stored, emitter.commands.length - 1]);
  const barriers = placeBarriers(emitter.commands, forced);
  writeCommands(memory, program, emitter, kernels, barriers, { address: scratch, stride });

  const compiled = new WasmProgram({
    graph,
    emitter,
    arena,
    team,
    program,
    ends,
    stored,
    inputs,
    given,
    tensors: new Tensors(arena, tensorsOf(nodes, weights, states)),
    layers,
    stateElements,
    kernels,
    limits: team.problem === undefined ? limits : [...limits, `${team.threads} of ${threads} threads: ${team.problem}`],
    options: programOptions,
  });
  // training steps are long enough for all threads
  if (options.settings?.threads === undefined && team.threads > 1 && states.size + given.size === 0)
    await compiled.chooseThreads(formatByName('F32'));
  return compiled;
}

/** Bytes per element of quantized activations: its code, and its share of the scales of 32 columns. */
const bytesPerElement = {
  int8: { codes: 1, scales: 12 / 32 },
  int8Parts: { codes: 1, scales: 24 / 32 },
  int16: { codes: 2, scales: 4 / 32 },
};

/** Number of key elements per position of each layer. */
export type LayerWidths = readonly number[];

function lower(graph: Graph, nodes: readonly Value[], kernels: KernelModule, exports: KernelExports, options: Limits) {
  const emitter = new Emitter(kernels, nodes, new Set(graph.outputs.values()), options);
  const weights = new Weights(kernels, exports, emitter);
  const layers: number[] = [];
  for (const { layer, heads, headSize } of cacheSlots(nodes)) {
    // layers that no output needs get no space
    while (layers.length < layer) layers.push(0);
    layers[layer] = heads * filledHead(headSize);
  }
  const caches = layers.map((_, layer) => emitter.fixed(0, `cache ${layer}`));
  const recurrent = stateLayout(nodes);
  const recurrentRegions = new Map(
    [...recurrent.slots.keys()].map((layer) => [layer, emitter.fixed(0, `state ${layer}`)]),
  );
  // layers share no memory of caches and states; these addresses only distinguish them
  for (const [i, region] of [...caches, ...recurrentRegions.values()].entries()) region.address = -(i + 1) * 1024;
  const inputs = {
    tokens: emitter.fixed(options.maxTokens * 4, 'tokens'),
    positions: emitter.fixed(options.maxTokens * 4, 'positions'),
    pages: emitter.fixed(options.maxTokens * 4, 'pages of tokens'),
    selected: emitter.fixed(options.maxRows * 4, 'wanted rows'),
  };
  const forms = new Map<string, { codes: Region; scales: Region }>();
  const states = new Map<Value, Region>();
  const given = new Map<Value<InputAttributes>, Region>();
  const made = new Map<string, unknown>();
  const context: LoweringContext = {
    emitter,
    weights,
    inputs,
    exports,
    kept: (node) => (isWeight(node) ? weights.kept(node) : { region: regionOf(states, node), packed: false }),
    given: (node) => regionOf(given as Map<Value, Region>, node),
    derived<T>(name: string, make: () => T): T {
      if (!made.has(name)) made.set(name, make());
      return made.get(name) as T;
    },
    cacheRegion: (layer) => caches[layer]!,
    cacheElementsBefore: (layer) => layers.slice(0, layer).reduce((sum, width) => sum + width, 0),
    stateRegion: (layer) => recurrentRegions.get(layer)!,
    stateOffset: (layer) => recurrent.slots.get(layer)!.offset,
    quantized(value, form) {
      const key = `${form} ${value.id}`;
      let made = forms.get(key);
      if (made) return made;
      const width = value.shape[1];
      const rows = Math.ceil(emitter.rowsOf(value) / 4) * 4;
      const bytes = bytesPerElement[form];
      made = {
        codes: emitter.temporary(rows * width * bytes.codes, `${value.label} ${form}`),
        scales: emitter.temporary(rows * width * bytes.scales, `${value.label} ${form} scales`),
      };
      forms.set(key, made);
      const from = emitter.region(value);
      emitter.emit({
        kernel: form === 'int16' ? 'quantize16' : 'quantize8',
        label: `${value.label}.${form}`,
        values: [emitter.rowsKind(value), from, made.codes, made.scales, width, form === 'int8Parts' ? 2 : 1],
        reads: [from],
        writes: [made.codes, made.scales],
      });
      return made;
    },
  };
  const regionOf = (regions: Map<Value, Region>, node: Value): Region => {
    let region = regions.get(node);
    if (!region) regions.set(node, (region = emitter.fixed(emitter.rowsOf(node) * node.shape[1] * 4, node.label)));
    return region;
  };
  /** Index of the last command of nodes with effects, for which other commands write values too. */
  const finished = new Map<Value, number>();
  for (const node of nodes) {
    if (isWeight(node)) continue;
    const lowering = lowerings[node.op.name];
    if (!lowering) throw new UnsupportedError('op', node.op.name, Object.keys(lowerings));
    lowering(node, context);
    if (node.op.hasEffects) finished.set(node, emitter.commands.length - 1);
  }
  const stateElements = recurrent.elements;
  return { emitter, weights, states, inputs, given, layers, stateElements, finished };
}

/** Tensors that programs can read and write by name. */
function tensorsOf(nodes: readonly Value[], weights: Weights, states: ReadonlyMap<Value, Region>): NamedTensor[] {
  return nodes.flatMap((node): NamedTensor[] => {
    const [rows, columns] = node.shape as readonly [number, number];
    if (isState(node)) return [{ name: node.attributes.name, region: states.get(node)!, packed: false, rows, columns }];
    if (!isWeight(node)) return [];
    return [{ name: node.attributes.tensor, ...weights.placed(node), rows, columns }];
  });
}

/** Assigns memory to weights as the graph is walked. They are loaded later, in file order. */
class Weights implements PlacedWeights {
  readonly #kernels: KernelModule;
  readonly #exports: KernelExports;
  readonly #emitter: Emitter;
  readonly #matrices = new Map<Value, { region: Region; format: PackedFormat }>();
  readonly #vectors = new Map<Value, { region: Region; change?: (values: Float32Array) => Float32Array }>();
  readonly #constants = new Map<Float32Array, Region>();

  constructor(kernels: KernelModule, exports: KernelExports, emitter: Emitter) {
    this.#kernels = kernels;
    this.#exports = exports;
    this.#emitter = emitter;
  }

  get regions(): Region[] {
    const entries = [...this.#matrices.values(), ...this.#vectors.values()];
    return [...entries.map(({ region }) => region), ...this.#constants.values()];
  }

  matrix(weight: Value<WeightAttributes>) {
    let placed = this.#matrices.get(weight);
    if (!placed) {
      const format = packedFormat(weight.attributes.format, this.#kernels, this.#exports);
      const region = this.#emitter.fixed(packedBytes(weight, format), weight.attributes.tensor);
      this.#matrices.set(weight, (placed = { region, format }));
    }
    return placed;
  }

  vector(weight: Value<WeightAttributes>, change?: (values: Float32Array) => Float32Array): Region {
    let placed = this.#vectors.get(weight);
    if (!placed) {
      const region = this.#emitter.fixed(Number(weight.shape[0]) * weight.shape[1] * 4, weight.attributes.tensor);
      this.#vectors.set(weight, (placed = { region, change }));
    }
    return placed.region;
  }

  /** A weight that steps change: in the layout of its readers, or by its shape if it has none. */
  kept(weight: Value<WeightAttributes>): KeptTensor {
    if (!this.#vectors.has(weight) && !this.#matrices.has(weight)) {
      if (weight.shape[0] === 1) this.vector(weight);
      else this.matrix(weight);
    }
    return {
      region: (this.#vectors.get(weight) ?? this.#matrices.get(weight))!.region,
      packed: this.#matrices.has(weight),
    };
  }

  /** Location of a weight, unless its values differ from the file. */
  placed(weight: Value<WeightAttributes>): Pick<NamedTensor, 'region' | 'packed' | 'problem'> {
    const vector = this.#vectors.get(weight);
    const { format } = weight.attributes;
    const problem = format.name !== 'F32' ? `in ${format.name}` : vector?.change ? 'changed as it is read' : undefined;
    return { region: (vector ?? this.#matrices.get(weight))?.region, packed: !vector, problem };
  }

  constant(values: Float32Array, label: string): Region {
    let region = this.#constants.get(values);
    if (!region) this.#constants.set(values, (region = this.#emitter.fixed(values.byteLength, label)));
    return region;
  }

  async load(arena: Arena, team: Team, { weights: store, onProgress, signal }: CompileOptions): Promise<void> {
    const bytes = ({ attributes, shape }: Value<WeightAttributes>) =>
      bytesOf(attributes.format, Number(shape[0]) * shape[1]);
    const placements = [...this.#matrices, ...this.#vectors].map(([weight, placed]): Placement => {
      return { weight: weight as Value<WeightAttributes>, ...placed };
    });
    const total = placements.reduce((sum, { weight }) => sum + bytes(weight), 0);
    let done = 0;
    const report = (count: number, item: string): void => {
      done += count;
      onProgress?.({ stage: 'load', done, total, unit: 'bytes', item });
    };
    await loadWeights(placements, store, { arena, team, kernels: this.#kernels }, report, signal);
    for (const [values, region] of this.#constants) arena.writeFloats(region.address, values);
  }
}

function lastWriter(emitter: Emitter, region: Region): number {
  return emitter.commands.findLastIndex(({ writes }) => writes.includes(region));
}

/** @throws {StartError} */
function newMemory(): WebAssembly.Memory {
  if (typeof WebAssembly === 'undefined') throw startError(new ReferenceError('WebAssembly is not defined'));
  // the maximum that a page may reserve depends on the device; memory is only used as needed
  for (const maximum of [65536, 32768, 16384, 8192]) {
    try {
      return new WebAssembly.Memory({ initial: 2, maximum, shared: true });
    } catch {
      // try the next smaller size
    }
  }
  try {
    return new WebAssembly.Memory({ initial: 2, maximum: 4096, shared: true });
  } catch (error) {
    throw startError(error);
  }
}

function writeCommands(
  memory: WebAssembly.Memory,
  address: number,
  { commands }: Emitter,
  kernels: KernelModule,
  barriers: readonly boolean[],
  scratch: { readonly address: number; readonly stride: number },
): void {
  const view = new DataView(memory.buffer);
  // the staging memory is reused, and unused words must be 0
  new Uint8Array(memory.buffer, address, commands.length * COMMAND_BYTES).fill(0);
  commands.forEach((command, i) => {
    const at = address + i * COMMAND_BYTES;
    view.setUint32(at, kernels.indices.get(command.kernel)!, true);
    view.setUint32(at + 4, barriers[i] ? 1 : 0, true);
    command.values.forEach((value, word) => {
      const to = at + 8 + word * 4;
      if (value === 'scratch') view.setUint32(to, scratch.address, true);
      else if (value === 'scratchStride') view.setUint32(to, scratch.stride, true);
      else if (typeof value === 'number') view.setInt32(to, value, true);
      else if ('float' in value) view.setFloat32(to, value.float, true);
      else if ('offset' in value) view.setUint32(to, value.region.address + value.offset, true);
      else view.setUint32(to, value.address, true);
    });
  });
}
