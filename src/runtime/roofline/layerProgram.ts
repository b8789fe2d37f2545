/** A program of matrix products only, for measurements. */
import { wasm } from '../../backends/wasm/index.ts';
import { seededRandom } from '../../core/random.ts';
import { Graph } from '../../graph/graph.ts';
import { embed } from '../../graph/ops/embed.ts';
import { linear } from '../../graph/ops/linear.ts';
import { tokens } from '../../graph/ops/tokens.ts';
import { weight } from '../../graph/ops/weight.ts';
import type { Program, Settings, WeightStore } from '../../graph/program.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import { formatByName } from '../../tensor/formats.ts';

/** `count` matrices [rows, columns]. */
export interface Matrices {
  readonly format: BlockFormat;
  readonly rows: number;
  readonly columns: number;
  readonly count: number;
}

export interface LayerProgram {
  /** Multiplies one token with all matrices. These exceed the caches, so they are read from memory. @returns seconds */
  runToken(): Promise<number>;
  /** Multiplies many tokens with the first matrices. @returns seconds */
  runTokens(): Promise<number>;
  dispose(): void;
}

/** Rows of the embedding table that provides the activations. */
const TABLE_ROWS = 8;
/** Number of elements that are encoded once and repeated. A multiple of every block size. */
const POOL_ELEMENTS = 4096;

/**
 * Each product is an output of its own, so that a step can stop after any of them.
 * @param manyTokens number of tokens of `runTokens`, and the number of matrices it multiplies them with
 */
export async function compileLayer(
  { format, rows, columns, count }: Matrices,
  manyTokens: { readonly tokens: number; readonly matrices: number },
  options: { readonly settings: Settings; readonly signal?: AbortSignal },
): Promise<LayerProgram> {
  const graph = new Graph();
  const x = embed(weight(graph, 'table', formatByName('F32'), TABLE_ROWS, columns), tokens(graph));
  const names = Array.from({ length: count }, (_, i) => `y${i}`);
  for (const name of names) graph.outputs.set(name, linear(x, weight(graph, name, format, rows, columns)));

  const limits = { maxTokens: manyTokens.tokens, maxRows: 1, context: manyTokens.tokens };
  const program = await wasm.compile(graph, { weights: repeatedWeights(), ...limits, ...options });
  const run = async (ids: readonly number[], outputs: readonly string[]): Promise<number> => {
    const began = performance.now();
    const result = program.run({ tokens: ids, rows: [], outputs });
    result.release();
    await result.finished();
    return (performance.now() - began) / 1000;
  };
  const many = Array.from({ length: manyTokens.tokens }, (_, i) => i % TABLE_ROWS);
  return {
    runToken: () => run([0], names),
    runTokens: () => run(many, names.slice(0, manyTokens.matrices)),
    dispose: () => disposeOf(program),
  };
}

/** Releases a program. The allocation makes the engine collect garbage, because it does not count shared memory. */
function disposeOf(program: Program): void {
  program.dispose();
  new ArrayBuffer(program.memoryBytes);
}

/** Encoded normal values. Random bytes would contain subnormal scales, which are slower than those of real models. */
export function repeatedWeights(): WeightStore {
  const { normal } = seededRandom(1);
  const values = Float32Array.from({ length: POOL_ELEMENTS }, normal);
  const pools = new Map<BlockFormat, Uint8Array>();
  const poolOf = (format: BlockFormat): Uint8Array => {
    const pool = new Uint8Array(bytesOf(format, POOL_ELEMENTS));
    // below 0x40 all half floats are finite, and those between 0x10 and 0x3f not subnormal
    if (format.decodeOnly) pool.set(pool.map((_, at) => 0x10 + ((at * 7) & 0x1f)));
    else format.encode(values, 0, pool, 0, POOL_ELEMENTS / format.blockSize);
    pools.set(format, pool);
    return pool;
  };
  return {
    async readRows({ attributes: { format } }, _, into) {
      const pool = pools.get(format) ?? poolOf(format);
      for (let at = 0; at < into.length; at += pool.length) into.set(pool.subarray(0, into.length - at), at);
    },
  };
}
