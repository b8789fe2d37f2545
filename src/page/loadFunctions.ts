/** The functions of the main entry that most pages call: a worker fetches them before the page's first call. */
export { load } from '../adapt/load.ts';
export { estimate, loadAdapter } from '../runtime/load.ts';
export { loadTokenizer } from '../runtime/loadTokenizer.ts';
