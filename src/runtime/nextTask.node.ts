/** Waits for the next task of the event loop, so that signals, timers and sockets are handled. Costs about a microsecond. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Maximum milliseconds between two turns of the event loop while one stream runs alone. */
export const TURN_INTERVAL = 1;
