/**
 * Chooses the fastest kernel variant of this device. Measures matrix products for about 80 ms and stores the choice for
 * the next start. It measures again on another engine or machine, or if the stored choice no longer works.
 */
import { deviceName } from '#leaf/backends/wasm/threads';
import type { Notes } from '../../graph/program.ts';
import { formatParts } from './built/catalog.ts';
import { CONTROL, CONTROL_WORDS, FIRST_FREE, word } from './control.ts';
import { instantiate } from './instantiate.ts';
import { type KernelModules, type KernelPart, kernelModules, relaxedSimd, type Variant } from './module.ts';

/** Milliseconds of measurement, excluding compilation. */
const TRYING = 80;
/** A variant replaces the first only if it is faster by this factor. */
const MARGIN = 1.05;

/** Size of the measured matrix: a layer of a small model, in the most common block format. */
const [ROWS, COLUMNS, TOKENS] = [256, 1024, 16];
const FORMAT = 'Q4_0';

let measured: Promise<Variant> | undefined;

/**
 * Parts of the fastest variant.
 * @param notes stores the choice. Without it nothing is measured, and the variant that is usually fastest is used
 * @throws {StartError} with the first cause if none of the variants compiles
 */
export async function chosenKernels(notes: Notes | undefined, parts: Iterable<KernelPart>): Promise<KernelModules> {
  const candidates: readonly [Variant, ...Variant[]] = relaxedSimd()
    ? ['relaxed-i16', 'relaxed-i16-wide', 'relaxed-i32', 'relaxed-i32-wide']
    : ['baseline', 'baseline-wide'];
  if (!notes) return firstThatRuns(candidates, parts);
  const name = `${deviceName()}: kernels of ${candidates.join(', ')}`;
  const kept = await notes.read(name);
  if (kept !== undefined && candidates.some((candidate) => candidate === kept)) {
    const kernels = await kernelModules(kept, parts).catch(() => undefined);
    if (kernels) return kernels;
  }
  measured ??= fastest(candidates).catch((error: unknown) => {
    measured = undefined;
    throw error;
  });
  const variant = await measured;
  await notes.write(name, variant);
  return kernelModules(variant, parts);
}

async function firstThatRuns(candidates: readonly Variant[], parts: Iterable<KernelPart>): Promise<KernelModules> {
  let problem: unknown;
  for (const candidate of candidates) {
    try {
      return await kernelModules(candidate, parts);
    } catch (error) {
      problem ??= error;
    }
  }
  throw problem;
}

async function fastest(candidates: readonly Variant[]): Promise<Variant> {
  // variants that the engine lacks or computes wrongly are skipped
  const tried = await Promise.allSettled(candidates.map((variant) => kernelModules(variant, [formatParts[FORMAT]])));
  const trials = tried.flatMap((result) => (result.status === 'fulfilled' ? [new Trial(result.value)] : []));
  const [first, ...others] = trials;
  if (!first) throw (tried[0] as PromiseRejectedResult).reason;
  // alternating, so that other load affects all variants alike and the engine can optimize in the meantime
  for (const end = performance.now() + TRYING; performance.now() < end; ) for (const trial of trials) trial.run();
  const best = others.reduce((a, b) => (b.seconds < a.seconds ? b : a), first);
  return best.seconds * MARGIN < first.seconds ? best.variant : first.variant;
}

/** Matrix products of one variant, for one token and for several. */
class Trial {
  readonly variant: Variant;
  readonly #product: () => void;
  readonly #control: Int32Array;
  #one = Number.POSITIVE_INFINITY;
  #several = Number.POSITIVE_INFINITY;

  constructor(kernels: KernelModules) {
    this.variant = kernels.variant;
    const memory = new WebAssembly.Memory({ initial: 32, maximum: 32, shared: true });
    const exports = instantiate(kernels, memory);
    this.#control = new Int32Array(memory.buffer, CONTROL, CONTROL_WORDS);
    this.#control[word.wide] = kernels.wide ? 1 : 0;
    const [weights, codes, records, output, scratch] = [0, 8, 10, 11, 13].map((part) => 2 * CONTROL + part * 65536);
    const command = FIRST_FREE;
    const words = [0, weights, codes, records, output, ROWS, COLUMNS, 0, 0, scratch, 0];
    new Uint32Array(memory.buffer, command + 8, words.length).set(words as number[]);
    this.#product = () => exports[`matmul_${FORMAT}`](command, 0, 1);
  }

  /** Best time so far of a product for one token and one for several, in seconds. */
  get seconds(): number {
    return this.#one * TOKENS + this.#several;
  }

  run(): void {
    this.#several = Math.min(this.#several, this.#time(TOKENS, 1));
    this.#one = Math.min(this.#one, this.#time(1, 10));
  }

  #time(tokens: number, times: number): number {
    this.#control[word.T] = tokens;
    const started = performance.now();
    for (let i = 0; i < times; i++) this.#product();
    return (performance.now() - started) / 1000 / times;
  }
}
