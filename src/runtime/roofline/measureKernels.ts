/** Measures the matrix products on this device and compares them with its memory bandwidth and peak arithmetic. */
import { nextTask } from '#leaf/runtime/nextTask';
import { type Arithmetic, Probe, variants } from '../../backends/wasm/index.ts';
import { OptionError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import { blockFormats, formatByName } from '../../tensor/formats.ts';
import { abortSignal, callback, checkOptions, numberFrom, type Rules, wholeNumber } from '../checkOptions.ts';
import { compileLayer } from './layerProgram.ts';
import { boundOf, type Work } from './roofline.ts';

export interface MeasureKernelsOptions {
  /** Names of block formats, or 'all'. Default: five formats, one per way of writing a kernel. */
  readonly formats?: readonly string[] | 'all';
  /** Kernel variant. Default: all that run on this device. */
  readonly variant?: string;
  /** Number of threads. Default: all. */
  readonly threads?: number;
  /** Bytes of weights that one token reads; must exceed the caches. Default 64 MiB. */
  readonly bytes?: number;
  /** A measurement ends after this time without a speedup of 10%, but not before three rounds. Default 300. */
  readonly milliseconds?: number;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** The best of several rounds. */
export interface KernelSpeed {
  readonly variant: string;
  readonly format: string;
  /** Size of the matrix. */
  readonly rows: number;
  readonly columns: number;
  /** Tokens per step. */
  readonly tokens: number;
  /** Bytes of packed weights read per second. */
  readonly bytesPerSecond: number;
  readonly multiplyAddsPerSecond: number;
  /** Bottleneck: reading the weights, or this kind of arithmetic. */
  readonly bound: 'memory' | Arithmetic;
  /** Fraction of the bottleneck's peak, 0 … 1. Noise may raise it above 1. */
  readonly share: number;
}

export interface Roofline {
  readonly threads: number;
  /** Peak memory bandwidth, measured with a kernel that only reads. */
  readonly readBytesPerSecond: number;
  /** Peak multiply-adds per second, by variant and arithmetic, measured with a kernel that only computes. */
  readonly peaks: Readonly<Record<string, Readonly<Partial<Record<Arithmetic, number>>>>>;
  readonly kernels: readonly KernelSpeed[];
  /** Variants that do not run on this device. */
  readonly skipped: readonly { readonly variant: string; readonly reason: string }[];
}

const DEFAULT_FORMATS = ['Q4_0', 'Q8_0', 'Q4_K', 'Q6_K', 'F16'];
/** [rows, columns] in models of 1B and of 135M parameters. */
const SHAPES = [
  [2048, 2048],
  [576, 1536],
] as const;
/** Tokens of a prompt step. */
const TOKENS = 64;
/** Minimum multiply-adds of such a step, so that its other ops are negligible. */
const STEP_MULTIPLY_ADDS = 5e8;
/** Pause after the first steps in milliseconds, in which the engine recompiles hot code. */
const COMPILING = 100;
const MIN_ROUNDS = 3;
/** A round below this fraction of the best time extends the measurement: on a busy device the engine recompiles late. */
const SPEEDUP = 0.9;

const rules: Rules<MeasureKernelsOptions> = {
  formats: {
    expected: "names or 'all'",
    accepts: (value) => value === 'all' || (Array.isArray(value) && value.every((name) => typeof name === 'string')),
  },
  variant: { expected: variants.join(' or '), accepts: (value) => variants.some((variant) => variant === value) },
  threads: wholeNumber(1, 256),
  bytes: wholeNumber(2 ** 20, 2 ** 30),
  milliseconds: numberFrom(0, 1e6),
  onProgress: callback,
  signal: abortSignal,
};

/** Best values seen so far. */
class Best {
  readBytesPerSecond = 0;
  readonly peaks: Record<string, Partial<Record<Arithmetic, number>>> = {};

  seeReading(bytesPerSecond: number): void {
    this.readBytesPerSecond = Math.max(this.readBytesPerSecond, bytesPerSecond);
  }

  seePeak(variant: string, arithmetic: Arithmetic, multiplyAddsPerSecond: number): void {
    const peaks = (this.peaks[variant] ??= {});
    peaks[arithmetic] = Math.max(peaks[arithmetic] ?? 0, multiplyAddsPerSecond);
  }
}

/** A measured step. It is rated when the peaks are known. */
interface Measured {
  readonly variant: string;
  readonly format: string;
  readonly arithmetic: Arithmetic;
  readonly rows: number;
  readonly columns: number;
  readonly tokens: number;
  readonly work: Work;
  readonly seconds: number;
}

/**
 * Measures kernels and peaks alternately, round after round, so that other load on the device affects both.
 * @throws {OptionError} @throws {UnsupportedError} if a format is unknown @throws {MemoryError} @throws the signal's reason
 */
export async function measureKernels(options: MeasureKernelsOptions = {}): Promise<Roofline> {
  checkOptions(options, rules);
  const { formats = DEFAULT_FORMATS, variant: only, threads, bytes = 2 ** 26, onProgress, signal } = options;
  const chosen = formats === 'all' ? blockFormats : formats.map(formatByName);
  const best = new Best();
  const skipped: { variant: string; reason: string }[] = [];
  const measured: Measured[] = [];
  const requested = only === undefined ? variants : [only];
  const perVariant = chosen.length * SHAPES.length;
  const total = requested.length * perVariant;
  let done = 0;
  let usedThreads = 0;
  for (const variant of requested) {
    signal?.throwIfAborted();
    let probe: Probe;
    try {
      probe = await Probe.start({ variant, threads, bytes });
    } catch (error) {
      if (only !== undefined || !(error instanceof OptionError)) throw error;
      skipped.push({ variant, reason: error.message });
      done += perVariant;
      continue;
    }
    try {
      usedThreads = probe.threads;
      for (const format of chosen) {
        for (const [rows, columns] of SHAPES) {
          const item = `${variant} ${format.name} ${rows} × ${columns}`;
          onProgress?.({ stage: 'measure', done: done++, total, unit: 'kernels', item });
          measured.push(...(await measureShape(probe, best, format, rows, columns, options)));
        }
      }
    } finally {
      probe.dispose();
    }
  }
  const { readBytesPerSecond, peaks } = best;
  return {
    threads: usedThreads,
    readBytesPerSecond,
    peaks,
    kernels: measured.map((one) => rate(one, best)),
    skipped,
  };
}

async function measureShape(
  probe: Probe,
  best: Best,
  format: BlockFormat,
  rows: number,
  columns: number,
  { bytes = 2 ** 26, milliseconds = 300, signal }: MeasureKernelsOptions,
): Promise<Measured[]> {
  const { variant, threads } = probe;
  const { arithmetic, packedBytes } = probe.kernelsOf(format);
  const matrixBytes = packedBytes(rows, columns);
  const count = Math.ceil(bytes / matrixBytes);
  const matrices = Math.min(count, Math.ceil(STEP_MULTIPLY_ADDS / (TOKENS * rows * columns)));
  const layer = await compileLayer(
    { format, rows, columns, count },
    { tokens: TOKENS, matrices },
    { settings: { variant, threads }, signal },
  );
  let [token, many] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  try {
    await layer.runToken();
    await layer.runTokens();
    await rest(COMPILING);
    let end = 0;
    for (let round = 0; round < MIN_ROUNDS || performance.now() < end; round++) {
      // the first call also wakes the threads
      for (let i = 0; i < 3; i++) best.seePeak(variant, arithmetic, probe.addProducts(arithmetic));
      // this also evicts the weights from the caches
      best.seeReading(probe.readMemory());
      const [tokenNow, manyNow] = [await layer.runToken(), await layer.runTokens()];
      if (tokenNow < SPEEDUP * token || manyNow < SPEEDUP * many) end = performance.now() + milliseconds;
      [token, many] = [Math.min(token, tokenNow), Math.min(many, manyNow)];
      await nextTask();
      signal?.throwIfAborted();
    }
  } finally {
    layer.dispose();
  }
  const of = (tokens: number, products: number, seconds: number): Measured => {
    const work = { bytes: products * matrixBytes, multiplyAdds: products * tokens * rows * columns };
    return { variant, format: format.name, arithmetic, rows, columns, tokens, work, seconds };
  };
  return [of(1, count, token), of(TOKENS, matrices, many)];
}

function rate({ arithmetic, work, seconds, ...rest }: Measured, { readBytesPerSecond, peaks }: Best): KernelSpeed {
  const multiplyAddsPerSecond = peaks[rest.variant][arithmetic]!;
  const bound = boundOf(work, { bytesPerSecond: readBytesPerSecond, multiplyAddsPerSecond });
  return {
    ...rest,
    bytesPerSecond: work.bytes / seconds,
    multiplyAddsPerSecond: work.multiplyAdds / seconds,
    bound: bound.by === 'memory' ? 'memory' : arithmetic,
    share: bound.seconds / seconds,
  };
}

function rest(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
