/** Lets everything else that waits (signals, timers, sockets) have its turn, at the cost of about a microsecond. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
