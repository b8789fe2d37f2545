/** Measures a cost table on this device: runs small models of made-up weights with a trace, and fits the times of their commands. */
import { deviceName, threadLimit } from '#leaf/backends/wasm/threads';
import { nextTask } from '#leaf/runtime/nextTask';
import { wasm } from '../backends/wasm/index.ts';
import type { OnProgress } from '../core/progress.ts';
import type { Graph } from '../graph/graph.ts';
import type { Notes, Program } from '../graph/program.ts';
import { PAGE_POSITIONS } from '../graph/step.ts';
import { repeatedWeights } from '../runtime/roofline/layerProgram.ts';
import { quantile } from '../runtime/statistics.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import type { CostTable } from './costTable.ts';
import { fitCosts, type Sample } from './fitCosts.ts';
import { type ModelShape, shapedGraph } from './probeModel.ts';
import { footprintOf, workOf } from './stepCost.ts';

export interface MeasureCostsOptions {
  /** Names of block formats. */
  readonly formats: readonly string[];
  /** Kernel variant. Default: the one that `load` chooses. */
  readonly variant?: string;
  /** Numbers of threads; one thread is always measured, because the costs of kernels are those of one. Default: 1, 2, 4 … and all. */
  readonly threads?: readonly number[];
  /** Format of keys and values. Default F16. */
  readonly kv?: string;
  /** Milliseconds of measurement for every model, number of tokens and of threads; at least 3 rounds. Default 40. */
  readonly milliseconds?: number;
  readonly notes?: Notes;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** Sizes of the measured steps. Products take tiles of 2, 4 and 8 tokens, so their costs are not a line from 1 to 16. */
export const MEASURED_TOKENS = [1, 2, 3, 4, 5, 8, 16] as const;
const DEPTHS = [0, 960] as const;
const CONTEXT = 1024;
/** Longer steps get one round of warm-up, in milliseconds. */
const LONG_STEP = 20;
/** The quantile of the rounds that counts: what the device can do while other processes leave it alone. */
const UNDISTURBED = 0.25;
const MIN_ROUNDS = 3;
/** Steps that are not counted, in which the engine compiles hot code again. */
const WARM_UP = 2;

/** Two models that stay in the caches, and one that does not. Widths are multiples of 256, the largest block. */
const SMALL: readonly ModelShape[] = [
  { layers: 2, width: 256, heads: 4, kvHeads: 1, ffn: 768, vocabulary: 1024 },
  { layers: 1, width: 512, heads: 8, kvHeads: 4, ffn: 1536, vocabulary: 2048 },
];
const LARGE: ModelShape = { layers: 8, width: 1024, heads: 16, kvHeads: 4, ffn: 3072, vocabulary: 16384 };

/** @throws {UnsupportedError} for an unknown format; {OptionError} for a variant that does not run here; the signal's reason */
export async function measureCosts(options: MeasureCostsOptions): Promise<CostTable> {
  const { variant, kv = 'F16', onProgress, signal } = options;
  const formats = options.formats.map(formatByName);
  const threads = [...new Set([1, ...(options.threads ?? threadCounts(threadLimit().most))])];
  const samples: Sample[] = [];
  const [cached, streamed]: [number[], number[]] = [[], []];
  let chosen = variant ?? '';
  let done = 0;
  const total = formats.length * (SMALL.length + 1);
  for (const format of formats) {
    for (const shape of [...SMALL, LARGE]) {
      onProgress?.({
        stage: 'measure',
        done: done++,
        total,
        unit: 'kernels',
        item: `${format.name}, width ${shape.width}`,
      });
      signal?.throwIfAborted();
      const isLarge = shape === LARGE;
      const graph = shapedGraph(shape, format, CONTEXT);
      (isLarge ? streamed : cached).push(footprintOf(graph));
      const program = await compile(graph, options, Math.max(...threads));
      try {
        chosen = String(program.description.settings.variant);
        const available = Number(program.description.settings.threads);
        const usable = threads.filter((count) => count <= available);
        samples.push(...(await measureProgram(program, format, kv, isLarge, usable, options)));
      } finally {
        program.dispose();
      }
    }
  }
  return {
    version: 1,
    device: deviceName(),
    variant: chosen,
    kv,
    cachedBytes: Math.max(...cached),
    streamedBytes: Math.min(...streamed),
    ...fitCosts(samples),
  };
}

/** 1, 2, 4 … and the maximum, as the backend tries them. */
export function threadCounts(most: number): number[] {
  return [...new Set([1, 2, 4, 8, 16, most])].filter((count) => count <= most).sort((a, b) => a - b);
}

function compile(graph: Graph, { variant, notes, signal }: MeasureCostsOptions, threads: number): Promise<Program> {
  const most = Math.max(...MEASURED_TOKENS);
  return wasm.compile(graph, {
    weights: repeatedWeights(),
    maxTokens: most,
    maxRows: most,
    context: CONTEXT,
    settings: { threads, ...(variant !== undefined && { variant }) },
    trace: true,
    notes,
    signal,
  });
}

async function measureProgram(
  program: Program,
  format: BlockFormat,
  kv: string,
  isLarge: boolean,
  threadCounts: readonly number[],
  { milliseconds = 40, signal }: MeasureCostsOptions,
): Promise<Sample[]> {
  const store = program.openPages(formatByName(kv));
  const pages = Array.from({ length: CONTEXT / PAGE_POSITIONS }, () => store.allocate());
  const samples: Sample[] = [];
  for (const threads of threadCounts) {
    for (const tokens of MEASURED_TOKENS) {
      for (const depth of DEPTHS) {
        const step = {
          sequences: [{ tokens: Array.from({ length: tokens }, (_, i) => i), position: depth, pages }],
          rows: Array.from({ length: tokens }, (_, i) => i),
          outputs: ['logits'],
          threads,
        };
        const rounds = await timed(program, step, milliseconds, signal);
        samples.push({ format: format.name, tokens, threads, isLarge, ...split(program, rounds, tokens, depth) });
      }
    }
  }
  return samples;
}

interface Rounds {
  /** Seconds of a step as its caller sees it. */
  readonly whole: number;
  /** Seconds by the label of a command's node. */
  readonly byLabel: ReadonlyMap<string, number>;
}

async function timed(
  program: Program,
  step: Parameters<Program['run']>[0],
  milliseconds: number,
  signal?: AbortSignal,
): Promise<Rounds> {
  const wholes: number[] = [];
  const rounds: Map<string, number>[] = [];
  let before = totals(program);
  const end = performance.now() + milliseconds;
  for (let round = -WARM_UP; round < MIN_ROUNDS || performance.now() < end; round++) {
    const started = performance.now();
    program.run(step).release();
    const whole = (performance.now() - started) / 1000;
    const after = totals(program);
    if (round >= 0) {
      wholes.push(whole);
      rounds.push(new Map([...after].map(([label, seconds]) => [label, seconds - before.get(label)!])));
    } else if (1000 * whole > LONG_STEP) round = -1;
    before = after;
  }
  await nextTask();
  signal?.throwIfAborted();
  const labels = [...before.keys()];
  const seconds = (label: string) =>
    quantile(
      rounds.map((round) => round.get(label)!),
      UNDISTURBED,
    );
  return { whole: quantile(wholes, UNDISTURBED), byLabel: new Map(labels.map((label) => [label, seconds(label)])) };
}

/** Seconds of all commands so far, by label. */
function totals(program: Program): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { label, seconds } of program.timings!()) sums.set(label, (sums.get(label) ?? 0) + seconds);
  return sums;
}

/** Splits the time of a step into products, attention, and the rest. */
function split({ graph }: Program, { whole, byLabel }: Rounds, tokens: number, depth: number) {
  const work = workOf(graph, { T: tokens, P: depth, R: tokens, S: tokens });
  const taken = (label: string) => byLabel.get(label) ?? 0;
  const products = work.products.map(({ node, outputs, inputs }) => ({ outputs, inputs, seconds: taken(node.label) }));
  const attention = work.attention.map(({ node, pairs, bytes }) => ({
    pairs,
    bytes,
    seconds: taken(node.label) + taken(`${node.label}.store`),
  }));
  const commands = [...byLabel.values()].reduce((sum, seconds) => sum + seconds, 0);
  const counted = [...products, ...attention].reduce((sum, { seconds }) => sum + seconds, 0);
  return {
    seconds: whole,
    outside: Math.max(0, whole - commands),
    products,
    attention,
    other: { ...work.other, seconds: Math.max(0, commands - counted) },
  };
}
