/** What a backend offers: it compiles a graph once into a program, which then runs steps. */

import { OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { type Graph, isWeight, type Registers, type Value, type WeightAttributes } from './graph.ts';
import type { InputValues } from './ops/input.ts';
import { isState } from './ops/state.ts';

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
  /** undefined where there is none, or it cannot be had */
  read(name: string): Promise<string | undefined>;
  /** Failing to keep it is no failure. */
  write(name: string, text: string): Promise<void>;
}

export interface CompileOptions {
  readonly weights: WeightStore;
  /** Tokens that one step takes at most; longer prompts go in several steps. */
  readonly maxTokens: number;
  /** Rows that one step returns at most. */
  readonly maxRows: number;
  /** Positions that a cache will hold at most. */
  readonly context: number;
  /** Threads to compute with; backends without threads ignore it. */
  readonly threads?: number;
  /** Which build of the backend's kernels, where it has several; default: the fastest that runs here. */
  readonly variant?: string;
  /** Measure how long every command takes, for `timings()`. */
  readonly trace?: boolean;
  /** Default: nothing is kept, and the choices that need it are not measured. */
  readonly notes?: Notes;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** What a command of a program has taken in all steps so far. */
export interface Timing {
  /** Where in the model: 'blk.3.attn_q'. */
  readonly label: string;
  readonly kernel: string;
  readonly seconds: number;
}

/** Keys and values of the past of one sequence, or of several that go on at the same time. */
export interface Cache {
  /** Positions of each sequence. */
  readonly context: number;
  readonly sequences: number;
  readonly bytes: number;
  /** Takes over the first `positions` positions of another cache of the same program. */
  copyFrom(other: Cache, positions: number): void;
  free(): void;
}

export interface Step {
  /**
   * The past that the tokens continue, the same number for each of the cache's sequences, one after another; without one
   * they are a batch of sequences that begin at position 0.
   */
  readonly cache?: Cache;
  /** Ids, 1 … maxTokens of them. */
  readonly tokens: ArrayLike<number>;
  /** How many positions of the cache are the past: the first token's position; default: 0. */
  readonly position?: number;
  /** Without a cache, how many tokens each sequence has; default: all, one sequence. */
  readonly sequence?: number;
  /** Indices into `tokens` whose outputs are wanted, ascending; at most maxRows. */
  readonly rows: ArrayLike<number>;
  /**
   * Names of the graph's outputs that are wanted; default: all. With none the step only fills the cache. Nodes that change
   * weights or states do so when a wanted output depends on them; a graph has them behind all outputs that do not.
   */
  readonly outputs?: readonly string[];
  /** Numbers for the graph's input nodes by name: of all that wanted outputs depend on. */
  readonly inputs?: Readonly<Record<string, InputValues>>;
}

/** @throws {OptionError} for a position or sequences that do not fit the step's tokens and cache */
export function stepRegisters({ cache, tokens, position = 0, sequence, rows }: Step): Registers {
  const T = tokens.length;
  if (cache && sequence !== undefined)
    throw new OptionError('sequence', sequence, 'nothing, as the step continues a cache, which knows its sequences');
  if (cache && T % cache.sequences !== 0)
    throw new OptionError('tokens', T, `as many for each of the cache's ${cache.sequences} sequences`);
  if (!cache && position !== 0) throw new OptionError('position', position, '0, as the step has no cache');
  const S = sequence ?? (cache ? T / cache.sequences : T);
  if (!(S >= 1 && T % S === 0)) throw new OptionError('sequence', S, `a divisor of the step's ${T} tokens`);
  return { T, P: position, R: rows.length, S };
}

/**
 * The F32 weight or state that a program's tensor is named after.
 * @param nodes of the program @param values to be written, where they are
 * @throws {OptionError} where there is none, the weight is of another format, or has not as many numbers as `values`
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

export interface ProgramDescription {
  readonly backend: string;
  /** Build of the backend's kernels: 'relaxed-i16'. */
  readonly variant: string;
  readonly threads: number;
  /** Of these, the ones that take part in a step of one token. */
  readonly decodeThreads: number;
}

export interface Program {
  readonly graph: Graph;
  readonly maxTokens: number;
  readonly maxRows: number;
  /** What runs it, for people and benchmarks. */
  readonly description: ProgramDescription;
  /** Bytes held now: weights, caches, activations. */
  readonly memoryBytes: number;
  /** @param kv format of keys and values: F32, F16 or Q8_0 @param sequences default: 1 */
  createCache(context: number, kv: BlockFormat, sequences?: number): Cache;
  /** Runs one step and waits for it. */
  run(step: Step): void;
  /** An output of the last step, [rows, width] in row order; a view that the next step overwrites. */
  output(name: string): Float32Array;
  /**
   * A copy of an F32 weight by its tensor's name, or of a state by its name, in row order.
   * @throws {OptionError} where the program has neither, or the weight is of another format
   */
  readTensor(name: string): Float32Array;
  /** Sets an F32 weight or a state. @throws {OptionError} as readTensor, and where `values` are not as many as it has */
  writeTensor(name: string, values: Float32Array): void;
  /** Time by command, when compiled with `trace`. */
  timings?(): Timing[];
  /** Gives memory and threads back; the program cannot be used afterwards. */
  dispose(): void;
}

export interface Backend {
  readonly name: string;
  compile(graph: Graph, options: CompileOptions): Promise<Program>;
}
