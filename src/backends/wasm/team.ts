/** The threads that run a program in lockstep: the caller is thread 0, workers are the others. */
import { callerMayWait, startWorker } from '#leaf/backends/wasm/threads';
import { EspalierError } from '../../core/errors.ts';
import { CONTROL, CONTROL_WORDS, word } from './control.ts';
import type { KernelExports, KernelModule } from './module.ts';
import type { WorkerSetup } from './workerSource.ts';

/** Ends a worker. */
type End = () => Promise<void>;

/** The workers that started. */
export interface Workers {
  readonly ends: readonly End[];
  /** Why there are fewer than were asked for. */
  readonly problem?: string;
}

/** Milliseconds after which a worker that has not reported is given up. */
const START_LIMIT = 15_000;

/**
 * Starts the threads beside the caller's: they come to life while the kernels are compiled. Never rejects: where some
 * cannot start, the result has fewer of them and the reason. @param threads in all
 */
export async function startWorkers(
  kernels: Promise<KernelModule>,
  memory: WebAssembly.Memory,
  threads: number,
): Promise<Workers> {
  const control = new Int32Array(memory.buffer, CONTROL, CONTROL_WORDS);
  control[word.patient] = callerMayWait() ? 1 : 0;
  const seen = Atomics.load(control, word.step);
  const setup = async (thread: number): Promise<WorkerSetup> => {
    const { module, indices } = await kernels;
    return { module, memory, indices, thread, seen };
  };
  const starting = Array.from({ length: threads - 1 }, (_, i) => inTime(startWorker(setup(i + 1)), kernels));
  const results = await Promise.allSettled(starting);
  const failed = results.findIndex(({ status }) => status === 'rejected');
  const ends = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (failed < 0) return { ends };
  // threads are numbered without a gap, so those after the first that failed cannot take part
  for (const end of ends.splice(failed)) void end();
  const { reason } = results[failed] as PromiseRejectedResult;
  return { ends, problem: `a worker could not be started: ${reason instanceof Error ? reason.message : reason}` };
}

/** Waits for a worker, but not for ever once the kernels are there. */
function inTime(starting: Promise<End>, kernels: Promise<unknown>): Promise<End> {
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let waiting = true;
    const settle = (finish: () => void) => {
      waiting = false;
      clearTimeout(timer);
      finish();
    };
    const giveUp = () => {
      waiting = false;
      reject(new Error(`it did not answer within ${START_LIMIT / 1000} seconds`));
    };
    starting.then(
      (end) => (waiting ? settle(() => resolve(end)) : void end()),
      (error) => settle(() => reject(error)),
    );
    // where the kernels fail, so do the workers that wait for them
    void kernels
      .catch(() => undefined)
      .then(() => {
        if (waiting) timer = setTimeout(giveUp, START_LIMIT);
      });
  });
}

export class Team {
  readonly #workers: Promise<Workers>;
  /** Undefined once stopped, so that the memory can be collected. */
  #machine: { readonly exports: KernelExports; readonly memory: WebAssembly.Memory } | undefined;
  #threads = 1;
  #problem: string | undefined;

  /** @param workers as `startWorkers` returns them; until all of them are in their loop, the caller's thread is the team */
  constructor(exports: KernelExports, memory: WebAssembly.Memory, workers: Promise<Workers>) {
    this.#machine = { exports, memory };
    this.#workers = workers;
    void workers.then(({ ends, problem }) => {
      this.#threads = ends.length + 1;
      this.#problem = problem;
    });
  }

  /** How many take part now. */
  get threads(): number {
    return this.#threads;
  }

  /** Why workers are missing. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Waits until all that can start take part. */
  async complete(): Promise<void> {
    await this.#workers;
  }

  /** Runs the program that the control block describes, once, on the first `threads` threads. */
  step(threads: number): void {
    this.#running().exports.step!(threads);
  }

  /** Runs one command that stands at `address` and ends with a barrier, on all threads. */
  run(address: number): void {
    const control = new Int32Array(this.#running().memory.buffer, CONTROL, CONTROL_WORDS);
    control[word.program] = address;
    control[word.commands] = 1;
    control[word.trace] = 0;
    this.step(this.threads);
  }

  /** Lets go of the memory, and ends the workers; nothing may run afterwards. Resolves when they have ended. */
  async stop(): Promise<void> {
    if (!this.#machine) return;
    const control = new Int32Array(this.#machine.memory.buffer, CONTROL, CONTROL_WORDS);
    this.#machine = undefined;
    Atomics.store(control, word.stop, 1);
    Atomics.add(control, word.step, 256);
    Atomics.notify(control, word.step);
    const { ends } = await this.#workers;
    await Promise.all(ends.map((end) => end()));
  }

  #running() {
    if (!this.#machine) throw new EspalierError('DISPOSED', 'the model was disposed of and cannot run');
    return this.#machine;
  }
}
