/** The threads that run a program in lockstep: the caller is thread 0, workers are the others. */
import { hasLostThread } from '#leaf/backends/wasm/lostThreads';
import { callerMayWait, startWorker } from '#leaf/backends/wasm/threads';
import { EspalierError } from '../../core/errors.ts';
import { CONTROL, CONTROL_WORDS, word } from './control.ts';
import type { KernelExports, KernelModules } from './module.ts';
import type { WorkerSetup } from './workerSource.ts';

/** Ends a worker. */
type End = () => Promise<void>;

/** The workers that started. */
export interface Workers {
  readonly ends: readonly End[];
  /** Reason if fewer workers started than requested. */
  readonly problem?: string;
  /** The first worker that has ended by itself, by number of its thread. Set when it happens. */
  readonly loss: Loss;
}

interface Loss {
  thread: number;
  reason: string;
}

/** Timeout in milliseconds for a worker to start. */
const START_LIMIT = 15_000;

/**
 * Starts the workers while the kernels compile. Never rejects: if some
 * cannot start, the result has fewer workers and the reason. @param threads number of threads including the caller
 */
export async function startWorkers(
  kernels: Promise<KernelModules>,
  memory: WebAssembly.Memory,
  threads: number,
): Promise<Workers> {
  const control = new Int32Array(memory.buffer, CONTROL, CONTROL_WORDS);
  control[word.patient] = callerMayWait() ? 1 : 0;
  const seen = Atomics.load(control, word.step);
  const setup = async (thread: number): Promise<WorkerSetup> => {
    const { modules, indices } = await kernels;
    return { modules, memory, indices, thread, seen };
  };
  const loss: Loss = { thread: Number.POSITIVE_INFINITY, reason: '' };
  const starting = Array.from({ length: threads - 1 }, (_, i) => {
    const onLost = (reason: string) => {
      if (i + 1 < loss.thread) Object.assign(loss, { thread: i + 1, reason });
    };
    return inTime(startWorker(setup(i + 1), onLost), kernels);
  });
  const results = await Promise.allSettled(starting);
  const failed = results.findIndex(({ status }) => status === 'rejected');
  const ends = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (failed < 0) return { ends, loss };
  // thread numbers must have no gaps, so workers after the first failed one cannot be used
  for (const end of ends.splice(failed)) void end();
  const { reason } = results[failed] as PromiseRejectedResult;
  return { ends, loss, problem: `a worker could not be started: ${reason instanceof Error ? reason.message : reason}` };
}

/** Waits for a worker, with a timeout once the kernels are compiled. */
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
    // if the kernels fail, so do the workers that wait for them
    void kernels
      .catch(() => undefined)
      .then(() => {
        if (waiting) timer = setTimeout(giveUp, START_LIMIT);
      });
  });
}

export class Team {
  readonly #workers: Promise<Workers>;
  /** Undefined after stop, so that the memory can be collected. */
  #machine: { readonly exports: KernelExports; readonly memory: WebAssembly.Memory } | undefined;
  #threads = 1;
  #problem: string | undefined;
  #loss: Loss | undefined;
  /** Set when a thread has failed in a step. The others may have done anything then, so nothing can run any more. */
  #failure: EspalierError | undefined;

  /** @param workers result of `startWorkers`. Until all of them are ready, only the caller's thread computes */
  constructor(exports: KernelExports, memory: WebAssembly.Memory, workers: Promise<Workers>) {
    this.#machine = { exports, memory };
    this.#workers = workers;
    void workers.then(({ ends, problem, loss }) => {
      this.#loss = loss;
      this.#threads = ends.length + 1;
      this.#problem = problem;
    });
  }

  /** Number of active threads. */
  get threads(): number {
    return Math.min(this.#threads, this.#loss?.thread ?? Number.POSITIVE_INFINITY);
  }

  /** Reason if workers are missing. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Reason if a worker has ended by itself between two steps: the threads before it go on. */
  get lost(): string | undefined {
    const { thread, reason } = this.#loss ?? { thread: Number.POSITIVE_INFINITY, reason: '' };
    return thread <= this.#threads
      ? `${thread} of ${this.#threads} threads: a helper thread ended: ${reason}`
      : undefined;
  }

  /** Waits until all workers that can start are active. */
  async complete(): Promise<void> {
    await this.#workers;
  }

  /** Runs the program that the control block describes, once, on the first `threads` threads. */
  step(threads: number): void {
    const { exports, memory } = this.#running();
    try {
      exports.step(threads);
    } catch (error) {
      const control = new Int32Array(memory.buffer, CONTROL, CONTROL_WORDS);
      Atomics.store(control, word.failed, 1);
      Atomics.notify(control, word.phase);
      const reason = error instanceof Error ? error.message : String(error);
      const cause = hasLostThread(memory) ? 'a helper thread ended' : reason;
      this.#failure = new EspalierError('THREAD_LOST', `a thread failed in a step: ${cause}; load the model again`, {
        cause,
      });
      throw this.#failure;
    }
  }

  /** Runs the command at `address`, which ends with a barrier, on all threads. */
  run(address: number): void {
    const control = new Int32Array(this.#running().memory.buffer, CONTROL, CONTROL_WORDS);
    control[word.program] = address;
    control[word.commands] = 1;
    control[word.trace] = 0;
    this.step(this.threads);
  }

  /** Releases the memory and ends the workers. Nothing may run afterwards. Resolves when the workers have ended. */
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
    if (this.#failure) throw this.#failure;
    if (!this.#machine) throw new EspalierError('DISPOSED', 'the model was disposed of and cannot run');
    return this.#machine;
  }
}
