/** Handles Ctrl-C: aborts the current work. */

/** Abort reason after Ctrl-C. */
export class Interrupted extends Error {
  /** Conventional exit code of a program that was ended by SIGINT. */
  static readonly EXIT_CODE = 130;

  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

/** Calls `stop` on SIGINT and SIGTERM. @returns a function that removes the handlers */
export function onInterrupt(stop: (signal: NodeJS.Signals) => void): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, stop);
  return () => {
    for (const signal of signals) process.off(signal, stop);
  };
}

/** Returns a signal that Ctrl-C aborts. A second Ctrl-C ends the process. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  onInterrupt(() => {
    if (controller.signal.aborted) process.exit(Interrupted.EXIT_CODE);
    controller.abort(new Interrupted());
  });
  return controller.signal;
}
