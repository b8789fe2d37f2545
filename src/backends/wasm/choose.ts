/**
 * Chooses the kernels that are fastest on this device, by trying them on one product for some 80 ms, and keeps the choice
 * for next time. What is kept is only a hint: it is asked for anew where the engine or the machine has changed, and
 * measured again where it does not work any more.
 */
import { deviceName } from '#leaf/backends/wasm/threads';
import type { Notes } from '../../graph/program.ts';
import { CONTROL, CONTROL_WORDS, FIRST_FREE, word } from './control.ts';
import { instantiate, type KernelModule, kernelModule, relaxedSimd, type Variant } from './module.ts';

/** Milliseconds that trying may take, compiling aside. */
const TRYING = 80;
/** How much faster another variant must be to be taken instead of the first. */
const MARGIN = 1.05;

/** The product that is tried: like a layer's of a small model, in a format that most models are in. */
const [ROWS, COLUMNS, TOKENS] = [256, 1024, 16];

let measured: Promise<KernelModule> | undefined;

/** @param notes where the choice is kept; without them the variant that is fastest on most devices is taken */
export async function chosenKernels(notes: Notes | undefined): Promise<KernelModule> {
  const candidates: readonly [Variant, ...Variant[]] = relaxedSimd()
    ? ['relaxed-i16', 'relaxed-i16-wide', 'relaxed-i32', 'relaxed-i32-wide']
    : ['baseline', 'baseline-wide'];
  if (!notes) return kernelModule(candidates[0]);
  const name = `${deviceName()}: kernels of ${candidates.join(', ')}`;
  const kept = await notes.read(name);
  if (kept !== undefined && candidates.some((candidate) => candidate === kept)) {
    const kernels = await kernelModule(kept).catch(() => undefined);
    if (kernels) return kernels;
  }
  measured ??= fastest(candidates);
  const kernels = await measured;
  await notes.write(name, kernels.variant);
  return kernels;
}

async function fastest(candidates: readonly Variant[]): Promise<KernelModule> {
  // an engine that computes a variant wrongly, or lacks it, goes without
  const tried = await Promise.all(candidates.map((variant) => kernelModule(variant).catch(() => undefined)));
  const trials = tried.filter((kernels) => kernels !== undefined).map((kernels) => new Trial(kernels));
  // in turn, so that what the machine does besides strikes all of them, and an engine's better code comes while they run
  for (const end = performance.now() + TRYING; performance.now() < end; ) for (const trial of trials) trial.run();
  const [first, ...others] = trials;
  const best = others.reduce((a, b) => (b.seconds < a.seconds ? b : a), first!);
  return best.seconds * MARGIN < first!.seconds ? best.kernels : first!.kernels;
}

/** One variant's product, for one token and for several. */
class Trial {
  readonly kernels: KernelModule;
  readonly #product: () => void;
  readonly #control: Int32Array;
  #one = Number.POSITIVE_INFINITY;
  #several = Number.POSITIVE_INFINITY;

  constructor(kernels: KernelModule) {
    this.kernels = kernels;
    const memory = new WebAssembly.Memory({ initial: 32, maximum: 32, shared: true });
    const exports = instantiate(kernels, memory);
    this.#control = new Int32Array(memory.buffer, CONTROL, CONTROL_WORDS);
    this.#control[word.wide] = kernels.wide ? 1 : 0;
    const [weights, codes, records, output, scratch] = [0, 8, 10, 11, 13].map((part) => 2 * CONTROL + part * 65536);
    const command = FIRST_FREE;
    const words = [0, weights, codes, records, output, ROWS, COLUMNS, 0, 0, scratch, 0];
    new Uint32Array(memory.buffer, command + 8, words.length).set(words as number[]);
    this.#product = () => exports.matmul_Q4_0!(command, 0, 1);
  }

  /** Seconds of a product for one token and one for several, the best so far. */
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
