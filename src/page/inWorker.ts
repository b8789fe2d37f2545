/** Runs exported functions in a worker if possible, otherwise on the caller's thread. */
import { isCheckpoint } from '../formats/checkpoint.ts';
import type { Connection } from './connection.ts';
import { remoteOf } from './remote.ts';
import { startEngineWorker } from './startEngineWorker.ts';

type AnyFunction = (...args: never[]) => unknown;

/** Options that are not sent to the worker. */
interface PageOptions {
  readonly workerUrl?: string | URL | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @param name name of an async function
 * @param functions loads the function if it has to run on the caller's thread
 */
export function inWorker<Name extends string, F extends AnyFunction>(
  name: Name,
  functions: () => Promise<Readonly<Record<Name, F>>>,
): F {
  const here: Here = async (args) => {
    const run: AnyFunction = (await functions())[name];
    return run(...(args as never[]));
  };
  return ((...args: unknown[]) => run(name, args, here)) as unknown as F;
}

type Here = (args: readonly unknown[]) => Promise<unknown>;

async function run(name: string, args: readonly unknown[], here: Here): Promise<unknown> {
  const known = connectionOf(args);
  if (known) return known.callFunction(name, args);
  if (!isPage()) return here(args);
  const { options, others } = pageOptions(args);
  options.signal?.throwIfAborted();
  if (args.some(isCheckpoint)) return runHere(name, args, here, 'the checkpoint was opened on it');
  const worker = await startEngineWorker(options);
  if (typeof worker !== 'string') return worker.callFunction(name, others);
  return runHere(name, name === 'load' ? args : others, here, worker);
}

function runHere(name: string, args: readonly unknown[], here: Here, reason: string): Promise<unknown> {
  if (name !== 'load') return here(args);
  const [source, loading] = args;
  return here([source, loading, [`on the page's own thread: ${reason}`]]);
}

/** Returns the connection of the first argument that is a proxy: its worker already exists. */
function connectionOf(args: readonly unknown[]): Connection | undefined {
  for (const arg of args) {
    const remote = typeof arg === 'object' && arg !== null ? remoteOf(arg) : undefined;
    if (remote) return remote.connection;
  }
  return undefined;
}

/** True on a page's main thread, which must not be blocked by computing. */
function isPage(): boolean {
  return typeof document !== 'undefined' && typeof window !== 'undefined';
}

function pageOptions(args: readonly unknown[]): { options: PageOptions; others: readonly unknown[] } {
  const last = args.at(-1);
  if (args.length < 2 || typeof last !== 'object' || last === null) return { options: {}, others: args };
  const { workerUrl, ...rest } = last as PageOptions;
  return { options: { workerUrl, signal: rest.signal }, others: [...args.slice(0, -1), rest] };
}
