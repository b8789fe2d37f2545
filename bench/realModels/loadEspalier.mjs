/** Loads a model with Espalier's build: node loadEspalier.mjs FILE THREADS TEXT. Prints times in seconds and memory in MB. */
import { readFileSync } from 'node:fs';
import { load } from '../../dist/index.js';

const [file, threads, text] = process.argv.slice(2);
const started = performance.now();
const model = await load(file, { threads: Number(threads), context: 512 });
await model.session().generate([2], { maxTokens: 1 }).result;
const loaded = performance.now();
const peak = process.resourceUsage().maxRSS / 1024;
const ids = model.tokenizer.encode(readFileSync(text, 'utf8').slice(0, 1_000_000));
const tokenized = performance.now();
const peakTokenizing = process.resourceUsage().maxRSS / 1024;
console.log(
  JSON.stringify({
    load: (loaded - started) / 1000,
    tokenize: (tokenized - loaded) / 1000,
    tokens: ids.length,
    peak,
    peakTokenizing,
  }),
);
model.dispose();
