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
  try {
    return await inOwnWorker(new URL(url, document.baseURI), { ...options, sensors: options.sensors ?? sensors });
  } finally {
    sensors?.close?.();
  }
};
