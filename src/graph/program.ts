/** What a backend offers: it compiles a graph once into a program, which then runs steps. */

import { OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { type Graph, isWeight, type Value, type WeightAttributes } from './graph.ts';
import { isState } from './ops/state.ts';
import type { Cache, Step, StepResult } from './step.ts';

/** Where a backend gets the bytes of the graph's weights from. */
export interface WeightStore {
  /**
   * Reads whole rows as they are stored: rows from … from+n−1, as many as fill `into`.
   * @param into may be a view of shared memory
   */
  readRows(weight: Value<WeightAttributes>, from: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Read in ascending order of this number, weights come from their files as these have them, without a way back. */
  place?(weight: Value<WeightAttributes>): number;
}

/** Where a backend keeps what it has measured of the device, for next time. */
export interface Notes {
  /** Returns undefined if there is no such note, or it cannot be read. */
  read(name: string): Promise<string | undefined>;
  /** Does not fail: a note that cannot be kept is measured again. */
  write(name: string, text: string): Promise<void>;
}

/** How large a program's steps and sequences can be. */
export interface Limits {
  /** Maximum tokens of one step; longer prompts take several steps. */
  readonly maxTokens: number;
  /** Maximum rows that one step returns. */
  readonly maxRows: number;
  /** Maximum positions of a sequence. */
  readonly context: number;
}

/**
 * What only one backend knows, by name: for wasm `variant` and `threads`. A backend refuses a name that it does not have.
 */
export type Settings = Readonly<Record<string, string | number | undefined>>;

export interface CompileOptions extends Limits {
  readonly weights: WeightStore;
  readonly settings?: Settings;
  /** Measure the time of every command, for `timings()`. */
  readonly trace?: boolean;
  /** Default: nothing is kept, and choices that need a note are not measured. */
  readonly notes?: Notes;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** Memory that a program takes, in bytes. */
export interface MemoryNeeds {
  readonly weightBytes: number;
  /** Keys and values of one sequence of `context` positions. */
  readonly cacheBytes: number;
  /** Values between ops, working space and the program itself. */
  readonly activationBytes: number;
  /** What the backend can address in all. */
  readonly limitBytes: number;
}

/** Time that a command of a program has taken in all steps so far. */
export interface Timing {
  /** Where in the model: 'blk.3.attn_q'. */
  readonly label: string;
  readonly kernel: string;
  readonly seconds: number;
}

/**
 * The F32 weight or state that a program's tensor is named after.
 * @param nodes of the program @param values to be written, if any
 * @throws {OptionError} if there is none, the weight is of another format, or has not as many numbers as `values`
 */
export function tensorNode(nodes: readonly Value[], name: string, values?: Float32Array): Value {
  const found = nodes.find((node) =>
    isWeight(node) ? node.attributes.tensor === name : isState(node) && node.attributes.name === name,
  );
  if (!found) throw new OptionError('tensor', name, 'the name of a weight or state of the graph');
  if (isWeight(found) && found.attributes.format.name !== 'F32')
    throw new OptionError('tensor', `${name} in ${found.attributes.format.name}`, 'a weight in F32 or a state');
  const elements = Number(found.shape[0]) * found.shape[1];
  if (values && values.length !== elements)
    throw new OptionError(`values of ${name}`, `${values.length} numbers`, `${elements} of them`);
  return found;
}

/** What runs a program, for people and benchmarks. */
export interface ProgramDescription {
  readonly backend: string;
  /** What the backend runs with, in its own terms; for wasm: variant, threads, decodeThreads. */
  readonly settings: Settings;
  /** Why it runs on less than the device has, a sentence each: 'one thread: this page is not cross-origin isolated …'. */
  readonly limits: readonly string[];
}

export interface Program {
  readonly graph: Graph;
  readonly maxTokens: number;
  readonly maxRows: number;
  readonly description: ProgramDescription;
  /** Settings with which another program computes the same bits. */
  readonly exactSettings: Settings;
  /** Bytes held now: weights, caches, activations. */
  readonly memoryBytes: number;
  /** @param kv format of keys and values: F32, F16 or Q8_0 @param sequences default: 1 */
  createCache(context: number, kv: BlockFormat, sequences?: number): Cache;
  /** Submits a step; steps run in the order in which they were submitted. @throws {OptionError} for a wrong step, at once */
  run(step: Step): StepResult;
  /**
   * A copy of an F32 weight by its tensor's name, or of a state by its name, in row order.
   * @throws {OptionError} if the program has neither, or the weight is of another format
   */
  readTensor(name: string): Promise<Float32Array>;
  /** Sets an F32 weight or a state. @throws {OptionError} as readTensor, and if `values` are not as many as it has */
  writeTensor(name: string, values: Float32Array): Promise<void>;
  /** Time by command, when compiled with `trace`. */
  timings?(): Timing[];
  /** Releases memory and threads; the program cannot be used afterwards. */
  dispose(): void;
}

export interface Backend {
  readonly name: string;
  /** Memory that a graph's program would take, without reading its weights. @param kv format of keys and values */
  memoryNeeds(graph: Graph, limits: Limits, kv: BlockFormat, settings?: Settings): Promise<MemoryNeeds>;
  compile(graph: Graph, options: CompileOptions): Promise<Program>;
}
