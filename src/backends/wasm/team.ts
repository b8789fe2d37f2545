/** The threads that run a program in lockstep: the caller is thread 0, workers are the others. */
import { startWorker } from '#leaf/backends/wasm/threads';
import { CONTROL, word } from './control.ts';
import type { KernelExports, KernelModule } from './module.ts';

export class Team {
  readonly #exports: KernelExports;
  readonly #memory: WebAssembly.Memory;
  readonly #ends: Promise<(() => Promise<void>)[]>;
  #threads = 1;

  /**
   * Starts the workers; until all of them are in their loop, the caller's thread is the team.
   * @param patient whether the caller's thread may sleep
   */
  constructor(
    { module, indices }: KernelModule,
    exports: KernelExports,
    memory: WebAssembly.Memory,
    threads: number,
    patient: boolean,
  ) {
    this.#exports = exports;
    this.#memory = memory;
    const control = new Int32Array(memory.buffer, CONTROL, 16);
    control[word.patient] = patient ? 1 : 0;
    const seen = Atomics.load(control, word.step);
    const others = Array.from({ length: threads - 1 }, (_, i) => i + 1);
    this.#ends = Promise.all(others.map((thread) => startWorker({ module, memory, indices, thread, seen })));
    this.#ends.then(
      () => {
        this.#threads = threads;
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
    const control = new Int32Array(this.#memory.buffer, CONTROL, 16);
    control[word.program] = address;
    control[word.commands] = 1;
    control[word.trace] = 0;
    this.step(this.threads);
  }

  /** Ends the workers; nothing may run afterwards. */
  stop(): void {
    const control = new Int32Array(this.#memory.buffer, CONTROL, 16);
    Atomics.store(control, word.stop, 1);
    Atomics.add(control, word.step, 256);
    Atomics.notify(control, word.step);
    void this.#ends.then((ends) => {
      for (const end of ends) void end();
    });
  }
}
