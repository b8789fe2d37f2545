/** What a backend offers: it compiles a graph once into a program, which then runs steps. */
import type { OnProgress } from '../core/progress.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import type { Graph, Value, WeightAttributes } from './graph.ts';

/** Where a backend gets the bytes of the graph's weights from. */
export interface WeightStore {
  /**
   * Reads whole rows as they are stored: rows from … from+n−1, as many as fill `into`.
   * @param into may be a view of shared memory
   */
  readRows(weight: Value<WeightAttributes>, from: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
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

/** Keys and values of one session's past. */
export interface Cache {
  readonly context: number;
  readonly bytes: number;
  /** Takes over the first `positions` positions of another cache of the same program. */
  copyFrom(other: Cache, positions: number): void;
  free(): void;
}

export interface Step {
  readonly cache: Cache;
  /** Ids, 1 … maxTokens of them. */
  readonly tokens: ArrayLike<number>;
  /** How many positions of the cache are the past: the first token's position. */
  readonly position: number;
  /** Indices into `tokens` whose outputs are wanted, ascending; at most maxRows. */
  readonly rows: ArrayLike<number>;
  /** Names of the graph's outputs that are wanted; default: all. With none the step only fills the cache. */
  readonly outputs?: readonly string[];
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
  /** @param kv format of keys and values: F32, F16 or Q8_0 */
  createCache(context: number, kv: BlockFormat): Cache;
  /** Runs one step and waits for it. */
  run(step: Step): void;
  /** An output of the last step, [rows, width]; a view that the next step overwrites. */
  output(name: string): Float32Array;
  /** Time by command, when compiled with `trace`. */
  timings?(): Timing[];
  /** Gives memory and threads back; the program cannot be used afterwards. */
  dispose(): void;
}

export interface Backend {
  readonly name: string;
  compile(graph: Graph, options: CompileOptions): Promise<Program>;
}
