/** Runs the functions of the entries in a worker where that is possible, else where they are called. */
import { functionsFor } from './allFunctions.ts';
import type { Connection } from './connection.ts';
import { remoteOf } from './remote.ts';
import { startEngineWorker } from './startEngineWorker.ts';

type AnyFunction = (...args: never[]) => unknown;

/** Options that concern the page alone. */
interface PageOptions {
  readonly workerUrl?: string | URL | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @param name of a function of the entries, which returns a promise */
export function inWorker<F extends AnyFunction>(name: string): F {
  return ((...args: unknown[]) => run(name, args)) as unknown as F;
}

async function run(name: string, args: readonly unknown[]): Promise<unknown> {
  const known = connectionOf(args);
  if (known) return known.callFunction(name, args);
  if (!isPage()) return runHere(name, args);
  const { options, others } = pageOptions(args);
  options.signal?.throwIfAborted();
  const worker = await startEngineWorker(options);
  if (typeof worker === 'string') return runHere(name, args, `on the page's own thread: ${worker}`);
  return worker.callFunction(name, others);
}

/** @param limit why it does not run in a worker, for `model.backend` */
async function runHere(name: string, args: readonly unknown[], limit?: string): Promise<unknown> {
  const functions = await functionsFor(name);
  const run = functions[name] as (...args: readonly unknown[]) => unknown;
  if (name !== 'load' || limit === undefined) return run(...args);
  const [source, options] = args;
  return run(source, options, [limit]);
}

/** Objects of the API live in a worker already. */
function connectionOf(args: readonly unknown[]): Connection | undefined {
  for (const arg of args) {
    const remote = typeof arg === 'object' && arg !== null ? remoteOf(arg) : undefined;
    if (remote) return remote.connection;
  }
  return undefined;
}

/** A worker may compute as long as it likes; a page may not. */
function isPage(): boolean {
  return typeof document !== 'undefined' && typeof window !== 'undefined';
}

function pageOptions(args: readonly unknown[]): { options: PageOptions; others: readonly unknown[] } {
  const last = args.at(-1);
  if (args.length < 2 || typeof last !== 'object' || last === null) return { options: {}, others: args };
  const { workerUrl, ...rest } = last as PageOptions;
  return { options: { workerUrl, signal: rest.signal }, others: [...args.slice(0, -1), rest] };
}
