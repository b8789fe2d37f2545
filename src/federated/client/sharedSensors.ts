/**
 * Sensors of a page for a client in the page's worker. A worker sees neither the battery nor whether the page is visible.
 *
 *   page:    const { port1, port2 } = new MessageChannel(); offerSensors(deviceSensors(), port1); worker.postMessage(port2, [port2]);
 *   worker:  isReady: readyWhen(sensorsFrom(port), { charging: true })
 */
import type { Sensors, Signals } from '../../adapt/sensors/signals.ts';

/** Answers each message of a port with the signals of this moment. */
export function offerSensors(sensors: Sensors, port: MessagePort): void {
  port.onmessage = async () => port.postMessage(await sensors.read());
}

/** @param port whose other end was given to `offerSensors` */
export function sensorsFrom(port: MessagePort): Sensors {
  const waiting: ((signals: Signals) => void)[] = [];
  port.onmessage = ({ data }: { data: Signals }) => waiting.shift()?.(data);
  return {
    read: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        port.postMessage('read');
      }),
    close: () => port.close(),
  };
}
