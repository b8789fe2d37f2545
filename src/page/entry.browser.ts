/** In a page, heavy work runs in a worker. */
import type { load as loadFunction } from '../adapt/load.ts';
import type { openCheckpoint as openFunction } from '../formats/open.ts';
import { inWorker } from './inWorker.ts';
import { withPageSensors } from './pageSensors.ts';

const functions = () => import('./functions.ts');

export const estimate = inWorker('estimate', functions);
export const evaluateText = inWorker('evaluateText', functions);
export const inspect = inWorker('inspect', functions);
const loadInWorker = inWorker<'load', typeof loadFunction>('load', functions);
export const load: typeof loadInWorker = (source, options, ...limits) =>
  loadInWorker(source, withPageSensors(options), ...limits);
export const loadAdapter = inWorker('loadAdapter', functions);
export const loadTokenizer = inWorker('loadTokenizer', functions);
/** A checkpoint is opened in the page itself. The code for that is loaded when it is used. */
export const openCheckpoint: typeof openFunction = async (source, options) =>
  (await import('../formats/open.ts')).openCheckpoint(source, options);
export const measureKernels = inWorker('measureKernels', functions);
export const measureSpeed = inWorker('measureSpeed', functions);
