/**
 * Measures node-llama-cpp on the CPU in the same way as `espalier bench`.
 *
 *   node nodeLlamaCpp.mjs model.gguf [--prefill 256] [--decode 48] [--threads 1] [--runs 3]
 *
 * Prints one JSON line of medians. Prefill: all tokens in one batch, logits of the last. Decode: one token at a time, each
 * chosen greedily. One warm-up run comes first.
 */
import { parseArgs } from 'node:util';
import { startLlama } from './oracle.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prefill: { type: 'string', default: '256' },
    decode: { type: 'string', default: '48' },
    threads: { type: 'string', default: '1' },
    runs: { type: 'string', default: '3' },
  },
});
const [prefill, decode, threads, runs] = [values.prefill, values.decode, values.threads, values.runs].map(Number);
const wanted = { generateNext: { token: true, options: { temperature: 0 } } };

const llama = await startLlama();
const loading = performance.now();
const model = await llama.loadModel({ modelPath: positionals[0], gpuLayers: 0 });
const context = await model.createContext({ contextSize: prefill + decode + 16, batchSize: prefill, threads });
const sequence = context.getSequence();
const loadSeconds = (performance.now() - loading) / 1000;

/** One run. Returns tokens per second of prefill and decode. */
async function measure() {
  await sequence.clearHistory();
  const prompt = Array.from({ length: prefill }, (_, i) => 300 + ((i * 37) % 200));
  const input = prompt.map((token, i) => (i === prefill - 1 ? [token, wanted] : token));
  const started = performance.now();
  let [answer] = (await sequence.controlledEvaluate(input)).slice(-1);
  const filled = performance.now();
  for (let i = 0; i < decode; i++) [answer] = await sequence.controlledEvaluate([[answer.next.token, wanted]]);
  const done = performance.now();
  return { prefill: (1000 * prefill) / (filled - started), decode: (1000 * decode) / (done - filled) };
}

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
await measure();
const measured = [];
for (let run = 0; run < runs; run++) measured.push(await measure());
console.log(
  JSON.stringify({
    prefillTokensPerSecond: median(measured.map((run) => run.prefill)),
    decodeTokensPerSecond: median(measured.map((run) => run.decode)),
    loadSeconds,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    backend: 'node-llama-cpp',
    threads,
  }),
);
await llama.dispose();
