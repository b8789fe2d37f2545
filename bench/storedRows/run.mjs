/** Loads a model with Espalier's build and decodes: node run.mjs FILE THREADS EMBEDDINGS TOKENS PROMPT_TOKENS. Prints times in seconds and memory in bytes. */
import { readFileSync } from 'node:fs';
import { load } from '../../dist/index.js';

const [file, threads, embeddings, tokens, length] = process.argv.slice(2);
const prompt = Array.from({ length: Number(length) }, (_, i) => 3 + ((i * 37) % 2000));

/** Memory of this process in bytes, now or at its peak. */
const memory = (field) =>
  1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1]);

const started = performance.now();
const model = await load(file, { threads: Number(threads), embeddings });
const loaded = performance.now();
const session = model.session();
const options = { temperature: 0, stop: [], draft: 'off' };
const first = await session.generate(prompt, { ...options, maxTokens: 1 }).result;
const prefilled = performance.now();
const { ids } = await session.generate([...prompt, ...first.ids], { ...options, maxTokens: Number(tokens) }).result;
const ended = performance.now();
const logProbabilities = [...(await model.logProbabilities(prompt))];
console.log(
  JSON.stringify({
    load: (loaded - started) / 1000,
    prefill: (prefilled - loaded) / 1000,
    perToken: (ended - prefilled) / 1000 / ids.length,
    ids: [...first.ids, ...ids],
    logProbabilities,
    resident: memory('VmRSS'),
    peak: memory('VmHWM'),
    estimate: model.estimate,
  }),
);
model.dispose();
