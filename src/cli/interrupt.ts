/** Ctrl-C: asks the work at hand to stop. */

/** Why the work stopped. */
export class Interrupted extends Error {
  /** What shells expect of a program that Ctrl-C ended. */
  static readonly EXIT_CODE = 130;

  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

/** Calls `stop` for every Ctrl-C and request to end. @returns what undoes it */
export function onInterrupt(stop: (signal: NodeJS.Signals) => void): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, stop);
  return () => {
    for (const signal of signals) process.off(signal, stop);
  };
}

/** A signal that Ctrl-C aborts, for work that ends with the process. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  onInterrupt(() => {
    if (controller.signal.aborted) process.exit(Interrupted.EXIT_CODE);
    controller.abort(new Interrupted());
  });
  return controller.signal;
}
