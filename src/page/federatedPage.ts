/** `espalier/federated` in a page: `takePart` runs in a worker, with the sensors of the page. */
import { browserSensors } from '../adapt/sensors/browserSensors.ts';
import type { takePart as inThread } from '../federated/client/takePart.ts';
import { inWorker } from './inWorker.ts';

export * from '../federated/index.ts';

const inOwnWorker = inWorker('takePart', () => import('./federatedFunctions.ts'));

export const takePart: typeof inThread = async (url, options) => {
  if (typeof document === 'undefined') return inOwnWorker(url, options);
  // only the page knows its battery
  const sensors = options.when && !options.sensors ? browserSensors() : undefined;
  // a callback that throws ends the client through its signal, so that it leaves its round
  const { signal = new AbortController().signal } = options;
  const all = { ...options, signal, sensors: options.sensors ?? sensors };
  try {
    return await inOwnWorker(new URL(url, document.baseURI), all);
  } finally {
    sensors?.close?.();
  }
};
