/** In a page, heavy work runs in a worker. */
import { inWorker } from './inWorker.ts';

const functions = () => import('./functions.ts');

export const estimate = inWorker('estimate', functions);
export const evaluateText = inWorker('evaluateText', functions);
export const inspect = inWorker('inspect', functions);
export const load = inWorker('load', functions);
export const loadAdapter = inWorker('loadAdapter', functions);
export const loadTokenizer = inWorker('loadTokenizer', functions);
export const measureKernels = inWorker('measureKernels', functions);
export const measureSpeed = inWorker('measureSpeed', functions);
