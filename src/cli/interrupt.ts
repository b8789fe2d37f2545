/** Ctrl-C: asks the work at hand to stop; a second time, it ends the process where it stands. */

/** Why the work stopped. */
export class Interrupted extends Error {
  /** What shells expect of a program that Ctrl-C ended. */
  static readonly EXIT_CODE = 130;

  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

/** A signal that Ctrl-C aborts, for work that ends with the process. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(Interrupted.EXIT_CODE);
      controller.abort(new Interrupted());
    });
  }
  return controller.signal;
}
