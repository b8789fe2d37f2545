/** A conformance case, and the function that runs it on a backend. */
import type { InputValues } from '../../src/graph/ops/input.ts';
import type { Backend, CompileOptions, Program } from '../../src/graph/program.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { Pages } from './pages.ts';
import { TestGraph, VOCABULARY } from './testGraph.ts';

export interface StepPlan {
  /** Tokens of the step. */
  readonly T: number;
  /** Position of its first token; default: where the step before it ended, in its cache. */
  readonly P?: number;
  /** The wanted rows; default: all. */
  readonly rows?: readonly number[];
  /** Tokens of each sequence of a step without a cache; default: it continues a cache. */
  readonly sequence?: number;
  /** Index of the case's cache that it continues. Default: 0. */
  readonly cache?: number;
  /** A cache whose past is copied into its own before the step. */
  readonly copyOf?: number;
  /** Outputs to compute. Default: all. */
  readonly outputs?: readonly string[];
}

/**
 * What a case computes, as far as it decides how much a correct backend may differ from the reference. Every target says how
 * much (targets.ts).
 *
 *   copies     values are only moved
 *   single     one operation per element
 *   sums       additions in another order, e^x and tanh
 *   functions  functions of sums: softmax, recurrences, gradients of norms
 *   layers     several of these in a row
 *   steps      the same, where a small difference may change a sign or a rounding
 *   angles     frequencies that may be rounded before they are multiplied with large positions
 *   int8       activations that may be rounded to ±127, per 32 columns
 *   int16      activations or queries that may be rounded to ±32767
 */
export type Arithmetic = 'copies' | 'single' | 'sums' | 'functions' | 'layers' | 'steps' | 'angles' | 'int8' | 'int16';

export interface Case {
  readonly name: string;
  readonly arithmetic: Arithmetic;
  readonly steps: readonly StepPlan[];
  /** Context length of the cache. Default: 128. */
  readonly context?: number;
  /** Format of the KV cache. Default: F32. */
  readonly kv?: string;
  /** Where finite differences check the gradient of `TestGraph.differentiable`. Default: nowhere. */
  readonly differentiated?: 'everywhere' | 'by the reference';
  build(test: TestGraph): void;
}

/** Independent steps of one, few and many tokens, with all, some or no selected rows. */
export const everyLength: readonly StepPlan[] = [
  ...[1, 2, 4, 5, 64].map((T) => ({ T, P: 0 })),
  { T: 3, P: 0, rows: [0, 2] },
  { T: 17, P: 0, rows: [3, 16] },
  { T: 1, P: 0, rows: [] },
];

/** Steps without a cache: one or several sequences, also of one token, with all or some selected rows. */
export const sequences: readonly StepPlan[] = [
  { T: 1, sequence: 1 },
  { T: 4, sequence: 1 },
  { T: 17, sequence: 17 },
  { T: 15, sequence: 5, rows: [0, 7, 8, 14] },
  { T: 64, sequence: 32 },
  { T: 6, sequence: 6, rows: [5] },
  { T: 5, sequence: 5, rows: [] },
];

/** A case with its graph, and the tokens and inputs of its steps. */
export interface PreparedCase {
  readonly plan: Case;
  readonly test: TestGraph;
  readonly tokens: readonly (readonly number[])[];
  readonly inputs: readonly Readonly<Record<string, InputValues>>[];
}

export function prepare(plan: Case): PreparedCase {
  const test = new TestGraph(seedOf(plan.name));
  plan.build(test);
  const tokens = plan.steps.map(({ T }) => Array.from({ length: T }, () => test.random.integer(VOCABULARY)));
  const inputs = plan.steps.map(({ T, sequence = T, rows }) =>
    test.inputs({ T, P: 0, R: rows?.length ?? T, S: sequence }),
  );
  return { plan, test, tokens, inputs };
}

/** Outputs of a case on one backend, by step. */
export type Results = readonly ReadonlyMap<string, Float32Array>[];

export type TargetOptions = Pick<CompileOptions, 'settings'>;

/** A compiled case. `run` runs all of its steps, from empty caches. */
export interface Runner {
  run(): Promise<Results>;
  dispose(): void;
}

export async function runner(prepared: PreparedCase, backend: Backend, options: TargetOptions = {}): Promise<Runner> {
  const { test, plan } = prepared;
  const longest = Math.max(...plan.steps.map(({ T }) => T));
  const context = plan.context ?? 128;
  const limits = { maxTokens: longest, maxRows: longest, context };
  const program = await backend.compile(test.graph, { weights: test.store, ...limits, ...options });
  return { run: () => runSteps(prepared, program), dispose: () => program.dispose() };
}

export async function runCase(prepared: PreparedCase, backend: Backend, options: TargetOptions = {}): Promise<Results> {
  const { run, dispose } = await runner(prepared, backend, options);
  try {
    return await run();
  } finally {
    dispose();
  }
}

async function runSteps({ plan, test, tokens, inputs }: PreparedCase, program: Program): Promise<Results> {
  const store = program.openPages(formatByName(plan.kv ?? 'F32'));
  const caches = new Map<number, { cache: Pages; end: number }>();
  const cacheOf = (index: number) => {
    let found = caches.get(index);
    if (!found) {
      found = { cache: new Pages(store), end: 0 };
      caches.set(index, found);
    }
    return found;
  };
  const continued = async (
    own: readonly number[],
    P: number | undefined,
    index: number,
    copyOf: number | undefined,
  ) => {
    const session = cacheOf(index);
    if (copyOf !== undefined) {
      const other = cacheOf(copyOf);
      await session.cache.copyFrom(other.cache);
      session.end = other.end;
    }
    const position = P ?? session.end;
    session.end = position + own.length;
    return { sequences: [{ tokens: own, position, pages: session.cache.upTo(session.end) }] };
  };
  const found: Map<string, Float32Array>[] = [];
  for (const [step, { P, sequence, rows, cache: index = 0, copyOf, outputs }] of plan.steps.entries()) {
    const own = tokens[step];
    const wanted = rows ?? own.map((_, at) => at);
    const past = sequence === undefined ? await continued(own, P, index, copyOf) : { tokens: own, sequence };
    const result = program.run({ ...past, rows: wanted, outputs, inputs: inputs[step] });
    const values = new Map<string, Float32Array>();
    for (const name of outputs ?? test.graph.outputs.keys()) values.set(name, await result.output(name));
    for (const name of test.changing) values.set(name, await program.readTensor(name));
    found.push(values);
  }
  return found;
}

/** FNV-1a hash of the name, so that the numbers of a case do not depend on other cases. */
export function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash;
}

export interface Difference {
  readonly output: string;
  /** Normalized squared error over all steps. */
  readonly error: number;
  /** Description of the element with the greatest difference. */
  readonly where: string;
}

/** Finds the greatest difference between two runs of a case. */
export function compare({ plan }: PreparedCase, actual: Results, expected: Results): Difference {
  const names = new Set(expected.flatMap((outputs) => [...outputs.keys()]));
  const differences = [...names].map((output): Difference => {
    let squares = 0;
    let power = 0;
    let most = -1;
    let where = '';
    expected.forEach((outputs, step) => {
      const right = outputs.get(output) ?? new Float32Array();
      const found = actual[step].get(output) ?? new Float32Array();
      if (found.length !== right.length) throw new Error(`${output}: ${found.length} elements, not ${right.length}`);
      for (let i = 0; i < right.length; i++) {
        const distance = Math.abs(found[i] - right[i]);
        squares += distance ** 2;
        power += right[i] ** 2;
        if (distance <= most) continue;
        most = distance;
        where = `step ${step} of ${plan.steps[step].T} tokens, element ${i} of ${right.length}: ${found[i]}, not ${right[i]}`;
      }
    });
    if (!(power > 0)) throw new Error(`${output}: the reference says nothing: sum of squares ${power}`);
    return { output, error: squares / power, where };
  });
  // NaN counts as the greatest error
  return differences.reduce((worst, next) => (next.error <= worst.error ? worst : next));
}
