/** The threads that run a program in lockstep: the caller is thread 0, workers are the others. */
import { startWorker } from '#leaf/backends/wasm/threads';
import { CONTROL, word } from './control.ts';
import type { KernelExports, KernelModule } from './module.ts';

export class Team {
  readonly threads: number;
  readonly #exports: KernelExports;
  readonly #memory: WebAssembly.Memory;
  readonly #ends: readonly (() => Promise<void>)[];

  private constructor(
    threads: number,
    exports: KernelExports,
    memory: WebAssembly.Memory,
    ends: readonly (() => Promise<void>)[],
  ) {
    this.threads = threads;
    this.#exports = exports;
    this.#memory = memory;
    this.#ends = ends;
  }

  /** @param patient whether the caller's thread may sleep */
  static async start(
    { module, indices }: KernelModule,
    exports: KernelExports,
    memory: WebAssembly.Memory,
    threads: number,
    patient: boolean,
  ): Promise<Team> {
    const control = new Int32Array(memory.buffer, CONTROL, 16);
    control[word.patient] = patient ? 1 : 0;
    const seen = Atomics.load(control, word.step);
    const others = Array.from({ length: threads - 1 }, (_, i) => i + 1);
    const ends = await Promise.all(others.map((thread) => startWorker({ module, memory, indices, thread, seen })));
    return new Team(threads, exports, memory, ends);
  }

  /** Runs the program that the control block describes, once, on the first `threads` threads. */
  step(threads: number): void {
    this.#exports.step!(threads);
  }

  /** Ends the workers; nothing may run afterwards. */
  stop(): void {
    const control = new Int32Array(this.#memory.buffer, CONTROL, 16);
    Atomics.store(control, word.stop, 1);
    Atomics.add(control, word.step, 256);
    Atomics.notify(control, word.step);
    for (const end of this.#ends) void end();
  }
}
