/** Loads a model with llama.cpp: node loadLlamaCpp.mjs FILE THREADS TEXT. Prints times in seconds and memory in MB. */
import { readFileSync } from 'node:fs';
import { startLlama } from './oracle.mjs';

const [file, threads, text] = process.argv.slice(2);
const llama = await startLlama();
const started = performance.now();
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 512, threads: Number(threads) });
const sequence = context.getSequence();
await sequence.controlledEvaluate([[2, { generateNext: { token: true, options: { temperature: 0 } } }]]);
const loaded = performance.now();
const peak = process.resourceUsage().maxRSS / 1024;
const ids = model.tokenize(readFileSync(text, 'utf8').slice(0, 1_000_000));
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
await llama.dispose();
