/** Outside of browsers, heavy work runs where it is called. */
export { openCheckpoint } from '../formats/open.ts';
export {
  estimate,
  evaluateText,
  inspect,
  load,
  loadAdapter,
  loadTokenizer,
  measureKernels,
  measureSpeed,
} from './functions.ts';
