/** The backends and variants to compare with the reference. To add one, add a line to `all`. */
import { wasm } from '../../src/backends/wasm/index.ts';
import { EspalierError } from '../../src/core/errors.ts';
import type { Backend } from '../../src/graph/program.ts';
import type { Arithmetic, TargetOptions } from './case.ts';
import { TestGraph } from './testGraph.ts';

export interface Target extends TargetOptions {
  readonly name: string;
  readonly backend: Backend;
  /** Maximum normalized squared error of any output: sum of squared differences / sum of squares. */
  readonly tolerances: Readonly<Record<Arithmetic, number>>;
  /** True if only matrix products differ from those of another target. */
  readonly onlyProducts?: boolean;
}

/** Of a backend that computes in f32 and rounds activations for quantized weights. */
const f32: Readonly<Record<Arithmetic, number>> = {
  copies: 0,
  single: 1e-13,
  sums: 1e-12,
  functions: 1e-11,
  layers: 1e-10,
  steps: 1e-9,
  // at position 131,000 a frequency rounded to f32 is wrong by 0.01 radians
  angles: 1e-6,
  // normally distributed activations rounded in groups of 32 add 3e-5 and 4e-10; formats with minima add more
  int8: 1e-4,
  int16: 2e-9,
};

export const wasmVariants = ['baseline', 'relaxed-i16', 'relaxed-i32'];
/** Tiles of 8 tokens affect only matrix products, so one such variant with threads suffices, and other ops need none. */
const wide = [
  ['baseline-wide', 1],
  ['relaxed-i16-wide', 2],
  ['relaxed-i32-wide', 1],
] as const;

const all: readonly Target[] = [
  ...wasmVariants.flatMap((variant) =>
    [1, 2].map((threads) => ({
      name: `wasm ${variant}, threads: ${threads}`,
      backend: wasm,
      tolerances: f32,
      settings: { variant, threads },
    })),
  ),
  ...wide.map(([variant, threads]) => ({
    name: `wasm ${variant}, threads: ${threads}`,
    backend: wasm,
    tolerances: f32,
    settings: { variant, threads },
    onlyProducts: true,
  })),
];

/** Targets that run on this machine. Prints why the others do not. */
export async function availableTargets(): Promise<Target[]> {
  const available: Target[] = [];
  for (const target of all) {
    const reason = await whyNot(target);
    if (reason === undefined) available.push(target);
    else console.log(`skipped: ${target.name}: ${reason}`);
  }
  return available;
}

async function whyNot({ backend, settings }: Target): Promise<string | undefined> {
  const test = new TestGraph(0);
  test.output('y', test.rows(4));
  try {
    const limits = { maxTokens: 1, maxRows: 1, context: 1 };
    const program = await backend.compile(test.graph, { weights: test.store, ...limits, settings });
    program.dispose();
    const { threads } = program.description.settings;
    return Number(threads) < Number(settings?.threads) ? `this machine has ${threads} processor` : undefined;
  } catch (error) {
    if (error instanceof EspalierError) return error.message;
    throw error;
  }
}
