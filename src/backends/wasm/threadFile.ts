/** Worker script that can also start helper threads, for pages whose policy forbids blob: URLs. */
import { CONTROL, CONTROL_WORDS, word } from './control.ts';
import { instantiate } from './instantiate.ts';
import type { WorkerSetup } from './workerSource.ts';

/** First message to a worker script that should become a helper thread. */
export interface ThreadMessage {
  readonly type: 'thread';
  readonly setup: WorkerSetup;
}

let file: string | undefined;

export function setThreadFile(url: string): void {
  file = url;
}

export function threadFile(): string | undefined {
  return file;
}

/** The code of `workerSource` for a worker script. */
export function enterThread({ thread, seen, ...setup }: WorkerSetup, ready: () => void): void {
  const { memory } = setup;
  const { work } = instantiate(setup, memory);
  ready();
  try {
    work(thread, seen);
  } catch (error) {
    const control = new Int32Array(memory.buffer, CONTROL, CONTROL_WORDS);
    Atomics.store(control, word.failed, 1);
    Atomics.notify(control, word.phase);
    throw error;
  }
}
