/** In a page, heavy work runs in a worker. */
import type * as functions from './functions.ts';
import { inWorker } from './inWorker.ts';

export const estimate: typeof functions.estimate = inWorker('estimate');
export const evaluateText: typeof functions.evaluateText = inWorker('evaluateText');
export const inspect: typeof functions.inspect = inWorker('inspect');
export const load: typeof functions.load = inWorker('load');
export const loadAdapter: typeof functions.loadAdapter = inWorker('loadAdapter');
export const loadTokenizer: typeof functions.loadTokenizer = inWorker('loadTokenizer');
export const measureKernels: typeof functions.measureKernels = inWorker('measureKernels');
export const measureSpeed: typeof functions.measureSpeed = inWorker('measureSpeed');
