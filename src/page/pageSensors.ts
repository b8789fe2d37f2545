/** The sensors of a page, for a model in its worker: only the page knows its battery and whether it is visible. */

import type { LoadOptions } from '../adapt/load.ts';
import { browserSensors } from '../adapt/sensors/browserSensors.ts';

/** Adds the page's sensors to the options of a model that adapts and has none of its own. */
export function withPageSensors<Options extends LoadOptions | undefined>(options: Options): Options {
  const adapt = options?.adapt;
  if (adapt === undefined || adapt === 'off' || typeof document === 'undefined') return options;
  const own = adapt === 'auto' ? {} : adapt;
  if (typeof own !== 'object' || own === null || own.sensors) return options;
  return { ...options, adapt: { ...own, sensors: browserSensors() } };
}
