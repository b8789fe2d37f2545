/** The threads that run a program in lockstep: the caller is thread 0, workers are the others. */
import { callerMayWait, startWorker } from '#leaf/backends/wasm/threads';
import { CONTROL, CONTROL_WORDS, word } from './control.ts';
import type { KernelExports, KernelModule } from './module.ts';
import type { WorkerSetup } from './workerSource.ts';

/**
 * Starts the threads beside the caller's: they come to life while the kernels are compiled. @param threads in all
 * @returns what ends each of them, when all are in their loop
 */
export function startWorkers(
  kernels: Promise<KernelModule>,
  memory: WebAssembly.Memory,
  threads: number,
): Promise<(() => Promise<void>)[]> {
  const control = new Int32Array(memory.buffer, CONTROL, CONTROL_WORDS);
  control[word.patient] = callerMayWait() ? 1 : 0;
  const seen = Atomics.load(control, word.step);
  const others = Array.from({ length: threads - 1 }, (_, i) => i + 1);
  const setup = async (thread: number): Promise<WorkerSetup> => {
    const { module, indices } = await kernels;
    return { module, memory, indices, thread, seen };
  };
  const workers = Promise.all(others.map((thread) => startWorker(setup(thread))));
  // heard of by those who wait for it, maybe later
  workers.catch(() => undefined);
  return workers;
}

export class Team {
  readonly #exports: KernelExports;
  readonly #memory: WebAssembly.Memory;
  readonly #ends: Promise<(() => Promise<void>)[]>;
  #threads = 1;

  /** @param workers as `startWorkers` gives them; until all of them are in their loop, the caller's thread is the team */
  constructor(exports: KernelExports, memory: WebAssembly.Memory, workers: Promise<(() => Promise<void>)[]>) {
    this.#exports = exports;
    this.#memory = memory;
    this.#ends = workers;
    workers.then(
      (ends) => {
        this.#threads = ends.length + 1;
      },
      // whoever waits for the team hears of it
      () => undefined,
    );
  }

  /** How many take part now. */
  get threads(): number {
    return this.#threads;
  }

  /** Waits until all take part. */
  async complete(): Promise<void> {
    await this.#ends;
  }

  /** Runs the program that the control block describes, once, on the first `threads` threads. */
  step(threads: number): void {
    this.#exports.step!(threads);
  }

  /** Runs one command that stands at `address` and ends with a barrier, on all threads. */
  run(address: number): void {
    const control = new Int32Array(this.#memory.buffer, CONTROL, CONTROL_WORDS);
    control[word.program] = address;
    control[word.commands] = 1;
    control[word.trace] = 0;
    this.step(this.threads);
  }

  /** Ends the workers; nothing may run afterwards. */
  stop(): void {
    const control = new Int32Array(this.#memory.buffer, CONTROL, CONTROL_WORDS);
    Atomics.store(control, word.stop, 1);
    Atomics.add(control, word.step, 256);
    Atomics.notify(control, word.step);
    void this.#ends.then((ends) => {
      for (const end of ends) void end();
    });
  }
}
