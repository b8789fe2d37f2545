/** Waits for the next task of the event loop, so that signals, timers and sockets are handled. Costs about a microsecond. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
