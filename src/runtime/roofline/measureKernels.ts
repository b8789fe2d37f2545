/** How fast the matrix products are on this device, beside what its memory and its arithmetic allow. */
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
  /** Block formats by name, or all there are. Default: five that stand for the ways in which kernels are written. */
  readonly formats?: readonly string[] | 'all';
  /** Build of the kernels. Default: all that run here. */
  readonly variant?: string;
  /** Default: all there are. */
  readonly threads?: number;
  /** Of the weights that a step of one token reads, and of the memory read beside them: more than the caches. Default 64 MiB. */
  readonly bytes?: number;
  /** A measurement goes on until it has not bettered by a tenth for so long, three rounds at least. Default 300. */
  readonly milliseconds?: number;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** The best of several rounds. */
export interface KernelSpeed {
  readonly variant: string;
  readonly format: string;
  /** Of the matrix. */
  readonly rows: number;
  readonly columns: number;
  /** Of a step. */
  readonly tokens: number;
  /** Packed weights. */
  readonly bytesPerSecond: number;
  readonly multiplyAddsPerSecond: number;
  /** What bounds it: reading the weights, or adding up products of this kind. */
  readonly bound: 'memory' | Arithmetic;
  /** Of what the bound allows, 0 … 1; noise may bring it above. */
  readonly share: number;
}

export interface Roofline {
  readonly threads: number;
  /** By a kernel that does nothing else. */
  readonly readBytesPerSecond: number;
  /** The same for products, by variant and by what they are made of: multiply-adds per second. */
  readonly peaks: Readonly<Record<string, Readonly<Partial<Record<Arithmetic, number>>>>>;
  readonly kernels: readonly KernelSpeed[];
  /** Variants that do not run here, and why. */
  readonly skipped: readonly { readonly variant: string; readonly reason: string }[];
}

const DEFAULT_FORMATS = ['Q4_0', 'Q8_0', 'Q4_K', 'Q6_K', 'F16'];
/** Matrices of models of 1B and of 135M parameters, [rows, columns]. */
const SHAPES = [
  [2048, 2048],
  [576, 1536],
] as const;
/** Of a prompt's step. */
const TOKENS = 64;
/** Multiply-adds of such a step, at least: beside them its other ops are nothing. */
const STEP_MULTIPLY_ADDS = 5e8;
/** Milliseconds without work after the first steps, in which the engine compiles once more what they ran. */
const COMPILING = 100;
const LEAST_ROUNDS = 3;
/** Of the time before: a measurement that improves so goes on, as on a busy device engines compile late. */
const BETTER = 0.9;

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

/** What has been seen at best. */
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

/** A measured step, to be judged when the bounds are known. */
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
 * Measures kernels and bounds in turn, round after round, so that whatever else the device does strikes both.
 * @throws {OptionError}; {UnsupportedError} for an unknown format; {MemoryError}; the signal's reason
 */
export async function measureKernels(options: MeasureKernelsOptions = {}): Promise<Roofline> {
  checkOptions(options, rules);
  const { formats = DEFAULT_FORMATS, variant: only, threads, bytes = 2 ** 26, onProgress, signal } = options;
  const chosen = formats === 'all' ? blockFormats : formats.map(formatByName);
  const best = new Best();
  const skipped: { variant: string; reason: string }[] = [];
  const measured: Measured[] = [];
  const wanted = only === undefined ? variants : [only];
  const perVariant = chosen.length * SHAPES.length;
  const total = wanted.length * perVariant;
  let done = 0;
  let threadsTaken = 0;
  for (const variant of wanted) {
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
      threadsTaken = probe.threads;
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
    threads: threadsTaken,
    readBytesPerSecond,
    peaks,
    kernels: measured.map((one) => judged(one, best)),
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
    for (let round = 0; round < LEAST_ROUNDS || performance.now() < end; round++) {
      // the first of them also wakes the threads up
      for (let i = 0; i < 3; i++) best.seePeak(variant, arithmetic, probe.addProducts(arithmetic));
      // it also leaves nothing of the weights in the caches
      best.seeReading(probe.readMemory());
      const [tokenNow, manyNow] = [await layer.runToken(), await layer.runTokens()];
      if (tokenNow < BETTER * token || manyNow < BETTER * many) end = performance.now() + milliseconds;
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

function judged({ arithmetic, work, seconds, ...rest }: Measured, { readBytesPerSecond, peaks }: Best): KernelSpeed {
  const multiplyAddsPerSecond = peaks[rest.variant]![arithmetic]!;
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
