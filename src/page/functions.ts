/** The functions of the main entry that do heavy work: in a page they run in a worker. */
export { evaluateText } from '../runtime/evaluateText.ts';
export { inspect } from '../runtime/inspect.ts';
export { measureSpeed } from '../runtime/measureSpeed.ts';
export { measureKernels } from '../runtime/roofline/measureKernels.ts';
export * from './loadFunctions.ts';
