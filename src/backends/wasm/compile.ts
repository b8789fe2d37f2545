/** Compiles a graph for the WebAssembly kernels: turns nodes into commands, lays out memory, reads and packs the weights. */

import { threadLimit } from '#leaf/backends/wasm/threads';
import { OptionError, UnsupportedError } from '../../core/errors.ts';
import { type Graph, isWeight, type Value } from '../../graph/graph.ts';
import { isState } from '../../graph/ops/state.ts';
import type { CompileOptions, Limits, MemoryNeeds, Program, Settings } from '../../graph/program.ts';
import { layersOf } from '../../graph/segment.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import { formatByName } from '../../tensor/formats.ts';
import { Arena, MEMORY_LIMIT } from './arena.ts';
import { chosenKernels } from './choose.ts';
import type { ListMemory } from './commandList.ts';
import { COMMAND_BYTES, FIRST_FREE } from './control.ts';
import type { Emitter, Region } from './emitter.ts';
import { instantiate } from './instantiate.ts';
import { aligned, placeTemporaries } from './layout.ts';
import { type FirstProgram, lower, partsFor } from './lower.ts';
import { type KernelExports, type KernelModules, kernelModules } from './module.ts';
import { pageBytes } from './pages.ts';
import type { Weights } from './placedWeights.ts';
import { type LatestResult, WasmProgram } from './program.ts';
import { startError } from './startError.ts';
import { StepPlans } from './stepPlans.ts';
import { startWorkers, Team } from './team.ts';
import { type NamedTensor, Tensors } from './tensors.ts';

export async function compile(graph: Graph, options: CompileOptions): Promise<Program> {
  const { variant, threads, limits } = readSettings(options.settings);
  const memory = newMemory();
  const parts = partsFor(graph.live());
  const loading = variant === undefined ? chosenKernels(options.notes, parts) : kernelModules(variant, parts);
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
  const parts = partsFor(graph.live());
  const kernels = await (variant === undefined ? chosenKernels(undefined, parts) : kernelModules(variant, parts));
  // these instances are only used for their size functions
  const exports = instantiate(kernels, new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true }));
  const lowered = lower(graph, graph.live(), kernels, exports, limits);
  const { emitter, weights, states, inputs, given, layers, recurrent } = lowered;
  const sizes = (regions: Iterable<Region>) => [...regions].reduce((sum, { bytes }) => sum + aligned(bytes), 0);
  const kept = lastingRegions(graph, emitter);
  const working = placeTemporaries(emitter.commands, kept) + aligned(emitter.scratchBytes) * threads;
  const steps = sizes([...Object.values(inputs), ...given.values()]) + emitter.commands.length * COMMAND_BYTES;
  return {
    weightBytes: sizes(weights.regions) + sizes(states.values()),
    pageBytes: pageBytes(layers, kv),
    stateBytes: 4 * recurrent.elements,
    activationBytes: working + steps,
    limitBytes: MEMORY_LIMIT,
  };
}

/** Checks the settings of this backend. @throws {OptionError} for an unknown name */
function readSettings({ variant, threads, streams, ...others }: Settings = {}) {
  for (const name of Object.keys(others))
    throw new OptionError(
      `setting ${name}`,
      others[name],
      'variant, threads or streams, the settings of the wasm backend',
    );
  if (streams !== undefined && streams !== 1 && streams !== 4)
    throw new OptionError('setting streams', streams, '1 or 4');
  const { most, reason } = threadLimit();
  return {
    variant: variant === undefined ? undefined : String(variant),
    threads: Math.max(1, Math.min(Number(threads ?? most), most)),
    limits: reason !== undefined && threads !== 1 ? [`one thread: ${reason}`] : [],
  };
}

interface Machine {
  readonly kernels: KernelModules;
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
  const { emitter, weights, states, inputs, given, layers, recurrent, finished } = lowered;

  const arena = new Arena(memory, FIRST_FREE);
  const temporaries = placeTemporaries(emitter.commands, lastingRegions(graph, emitter));
  const stride = aligned(emitter.scratchBytes);
  const room = arena.allocate(temporaries, 'activations');
  const scratch = arena.allocate(stride * threads, 'scratch');
  for (const region of weights.regions) region.address = arena.allocate(region.bytes, region.label);
  for (const region of [...Object.values(inputs), ...states.values(), ...given.values()])
    region.address = arena.allocate(region.bytes, region.label);

  // nothing is computed before the weights are loaded, so they are staged in the memory of activations
  arena.release(room);
  await weights.load(arena, team, options);
  const activations = { address: arena.allocate(temporaries, 'activations'), bytes: temporaries };
  moveTemporaries(emitter, activations.address);
  for (const { address, bytes } of states.values()) new Uint8Array(memory.buffer, address, bytes).fill(0);
  await team.complete();
  const pageLayers = layersOf(graph);
  const lists = { arena, kernels, scratch: { address: scratch, stride }, isTraced: options.trace ?? false };
  const plans = new StepPlans({
    graph,
    emitter,
    memory: lists,
    ends: endsOf(graph, emitter, finished),
    layers: pageLayers,
  });
  const latest: LatestResult = { result: undefined };

  const compiled = new WasmProgram({
    graph,
    emitter,
    arena,
    team,
    plans,
    pageLayers,
    latest,
    inputs,
    given,
    tensors: new Tensors(arena, tensorsOf(nodes, weights, states)),
    layers,
    stateElements: recurrent.elements,
    kernels,
    limits: team.problem === undefined ? limits : [...limits, `${team.threads} of ${threads} threads: ${team.problem}`],
    options: programOptions,
    derive: (other) =>
      derive(
        other,
        { program: compiled, lowered, activations, lists, pageLayers, options: programOptions },
        machine,
        arena,
        latest,
      ),
    owned: [],
  });
  // training steps are long enough for all threads
  if (options.settings?.threads === undefined && team.threads > 1 && states.size + given.size === 0)
    await compiled.chooseThreads(formatByName('F32'));
  return compiled;
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

/** The first program, for derived ones. */
interface First {
  readonly program: WasmProgram;
  readonly lowered: FirstProgram;
  readonly activations: { readonly address: number; readonly bytes: number };
  readonly lists: ListMemory;
  readonly pageLayers: bigint;
  readonly options: Omit<CompileOptions, 'weights'>;
}

/** Compiles a graph over the weights, pages and threads of another program. Steps take turns, so it shares activations too. */
async function derive(
  graph: Graph,
  { program, lowered, activations, lists, pageLayers, options }: First,
  { kernels, exports, team }: Machine,
  arena: Arena,
  latest: LatestResult,
): Promise<WasmProgram> {
  const nodes = graph.live();
  if (nodes.some((node) => isState(node) || node.op.hasEffects))
    throw new UnsupportedError('a derived program with', 'states that steps change', ['graphs for inference']);
  const { emitter, weights, states, inputs, given, layers, recurrent, finished } = lower(
    graph,
    nodes,
    kernels,
    exports,
    options,
    lowered,
  );
  const owned: number[] = [];
  const allocate = (bytes: number, what: string): number => {
    const address = arena.allocate(bytes, what);
    owned.push(address);
    return address;
  };
  const bytes = placeTemporaries(emitter.commands, lastingRegions(graph, emitter));
  moveTemporaries(emitter, bytes <= activations.bytes ? activations.address : allocate(bytes, 'activations'));
  for (const region of [...weights.regions, ...given.values()]) region.address = allocate(region.bytes, region.label);
  weights.writeConstants(arena);
  const stride = aligned(emitter.scratchBytes);
  const scratch =
    stride <= lists.scratch.stride ? lists.scratch : { address: allocate(stride * team.threads, 'scratch'), stride };
  const memory = { ...lists, scratch };
  const plans = new StepPlans({ graph, emitter, memory, ends: endsOf(graph, emitter, finished), layers: pageLayers });
  return new WasmProgram({
    graph,
    emitter,
    arena,
    team,
    plans,
    pageLayers,
    latest,
    inputs,
    given,
    tensors: new Tensors(arena, tensorsOf(nodes, weights, states)),
    layers,
    stateElements: recurrent.elements,
    kernels,
    limits: program.description.limits,
    options,
    derive: (other) => program.derive(other),
    owned,
    first: program,
  });
}

/** Regions that must keep their values until the next step: outputs, and the cuts of exits, behind which steps go on. */
function lastingRegions(graph: Graph, emitter: Emitter): Set<Region> {
  const values = [...graph.outputs.values(), ...graph.exits.values()];
  return new Set(values.map((value) => emitter.region(value)));
}

/** Adds the address of the activations to the places of temporary regions. */
function moveTemporaries({ commands }: Emitter, base: number): void {
  const placed = new Set<Region>();
  for (const { reads, writes } of commands)
    for (const region of [...reads, ...writes])
      if (region.kind === 'temporary' && !placed.has(region)) {
        region.address += base;
        placed.add(region);
      }
}

/** Index of the last command of each output. */
function endsOf(graph: Graph, emitter: Emitter, finished: ReadonlyMap<Value, number>): Map<string, number> {
  const ends = new Map<string, number>();
  for (const [name, value] of graph.outputs)
    ends.set(name, finished.get(value) ?? lastWriter(emitter, emitter.region(value)));
  return ends;
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
