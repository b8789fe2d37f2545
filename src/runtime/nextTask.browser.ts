/** Waits for the next task of the event loop. Uses a message, because nested timers wait at least 4 ms. */
const waiting: (() => void)[] = [];
let port: MessagePort | undefined;

/** Made on first use: importing the package has no side effects. */
function messagePort(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => waiting.shift()?.();
  return port2;
}

export function nextTask(): Promise<void> {
  const own = (port ??= messagePort());
  return new Promise((resolve) => {
    waiting.push(resolve);
    own.postMessage(null);
  });
}

/** No turn is left out: signals arrive in a worker as messages, and should end a generation before its next token. */
export const TURN_INTERVAL = 0;
