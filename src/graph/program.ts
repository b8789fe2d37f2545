/** The backend interface. A backend compiles a graph once into a program, which then runs steps. */

import { OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { type Graph, isWeight, type Value, type WeightAttributes } from './graph.ts';
import { isState } from './ops/state.ts';
import type { PageStore, Step, StepResult } from './step.ts';

/** Provides the bytes of the graph's weights. */
export interface WeightStore {
  /**
   * Reads whole rows in their file format, from row `from` on, until `into` is full.
   * @param into may be a view of shared memory
   */
  readRows(weight: Value<WeightAttributes>, from: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Position of a weight in the files. Reading weights in ascending order reads the files sequentially. */
  place?(weight: Value<WeightAttributes>): number;
}

/** Stores measurements of the device between runs. */
export interface Notes {
  /** Returns undefined if the note does not exist or cannot be read. */
  read(name: string): Promise<string | undefined>;
  /** Never throws. A note that cannot be stored is measured again. */
  write(name: string, text: string): Promise<void>;
}

/** Maximum sizes of a program's steps and sequences. */
export interface Limits {
  /** Maximum tokens of one step; longer prompts take several steps. */
  readonly maxTokens: number;
  /** Maximum rows that one step returns. */
  readonly maxRows: number;
  /** Maximum positions of a sequence. */
  readonly context: number;
}

/**
 * Backend-specific settings by name, e.g. `variant` and `threads` for wasm. A backend throws for unknown names.
 */
export type Settings = Readonly<Record<string, string | number | undefined>>;

export interface CompileOptions extends Limits {
  readonly weights: WeightStore;
  readonly settings?: Settings;
  /** Measure the time of every command, for `timings()`. */
  readonly trace?: boolean;
  /** Default: measurements are not stored, and choices that need them are not measured. */
  readonly notes?: Notes;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** Memory that a program takes, in bytes. */
export interface MemoryNeeds {
  readonly weightBytes: number;
  /** A page of keys and values, see `PAGE_POSITIONS`. */
  readonly pageBytes: number;
  /** Recurrent states of a sequence at one position. */
  readonly stateBytes: number;
  /** Intermediate values, scratch memory and the program itself. */
  readonly activationBytes: number;
  /** Maximum that the backend can address. */
  readonly limitBytes: number;
}

/** Total time of a command in all steps so far. */
export interface Timing {
  /** Label of the node, e.g. 'blk.3.attn_q'. */
  readonly label: string;
  readonly kernel: string;
  readonly seconds: number;
}

/**
 * Finds an F32 weight or a state by name.
 * @param nodes nodes of the program @param values values to write, if any
 * @throws {OptionError} if the tensor does not exist, is not F32, or has another number of elements than `values`
 */
export function tensorNode(nodes: readonly Value[], name: string, values?: Float32Array): Value {
  const found = nodes.find((node) =>
    isWeight(node) ? node.attributes.tensor === name : isState(node) && node.attributes.name === name,
  );
  if (!found) throw new OptionError('tensor', name, 'the name of a weight or state of the graph');
  if (isWeight(found) && found.attributes.format.name !== 'F32')
    throw new OptionError('tensor', `${name} in ${found.attributes.format.name}`, 'an F32 weight or a state');
  const elements = Number(found.shape[0]) * found.shape[1];
  if (values && values.length !== elements)
    throw new OptionError(`values of ${name}`, `${values.length} numbers`, `${elements} of them`);
  return found;
}

/** Describes what runs a program, for people and benchmarks. */
export interface ProgramDescription {
  readonly backend: string;
  /** Backend settings by name, as the backend has chosen them. */
  readonly settings: Settings;
  /** Reasons why it does not use the whole device, e.g. 'one thread: this page is not cross-origin isolated …'. */
  readonly limits: readonly string[];
}

export interface Program {
  readonly graph: Graph;
  readonly maxTokens: number;
  readonly maxRows: number;
  readonly context: number;
  readonly description: ProgramDescription;
  /** Settings with which another program computes the same bits. */
  readonly exactSettings: Settings;
  /** Current memory: weights, caches, activations. */
  readonly memoryBytes: number;
  /** Opens a store of pages. @param kv format of keys and values: F32, F16 or Q8_0 @throws {OptionError} for another one */
  openPages(kv: BlockFormat): PageStore;
  /** Submits a step. Steps run in order. @throws {OptionError} at once if the step is invalid */
  run(step: Step): StepResult;
  /**
   * Returns a copy of an F32 weight (by tensor name) or of a state, in row order.
   * @throws {OptionError} if the tensor does not exist or is not F32
   */
  readTensor(name: string): Promise<Float32Array>;
  /** Sets an F32 weight or a state. @throws {OptionError} as readTensor, and if the number of values is wrong */
  writeTensor(name: string, values: Float32Array): Promise<void>;
  /**
   * Compiles another graph over the weights that this program has loaded: other outputs, fewer layers, the first rows of its
   * matrices. Both take the same pages, and their steps may alternate, so a change of plan is a matter of the next step. The
   * new program ends with this one.
   * @throws {OptionError} if a weight or a layer of the cache is not the same in both
   */
  derive(graph: Graph): Promise<Program>;
  /** Times of all commands, if compiled with `trace`. */
  timings?(): Timing[];
  /** Releases memory and threads. The program cannot be used afterwards. */
  dispose(): void;
}

export interface Backend {
  readonly name: string;
  /** Computes the memory needs of a graph without reading its weights. @param kv format of keys and values */
  memoryNeeds(graph: Graph, limits: Limits, kv: BlockFormat, settings?: Settings): Promise<MemoryNeeds>;
  compile(graph: Graph, options: CompileOptions): Promise<Program>;
}
