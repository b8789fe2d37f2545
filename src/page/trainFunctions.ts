/** The functions of `espalier/train` that do heavy work: in a page they run in a worker. */
export { generateCorpus } from '../train/generateCorpus.ts';
export { train } from '../train/trainer.ts';
