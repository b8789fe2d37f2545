/** The sensors of this page or worker. */
import { browserSensors } from './browserSensors.ts';
import type { Sensors } from './signals.ts';

export function deviceSensors(_root?: string): Sensors {
  return browserSensors();
}
