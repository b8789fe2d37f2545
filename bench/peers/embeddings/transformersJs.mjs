/**
 * Embeds sentences with transformers.js: node transformersJs.mjs FOLDER SENTENCES.json THREADS BATCH. FOLDER needs
 * onnx/model.onnx.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { env, pipeline } from '@huggingface/transformers';

const [folder, file, threads, batch] = process.argv.slice(2);
env.localModelPath = dirname(resolve(folder));
env.allowRemoteModels = false;
const sentences = JSON.parse(readFileSync(file, 'utf8'));
const extract = await pipeline('feature-extraction', basename(resolve(folder)), {
  dtype: 'fp32',
  session_options: { intraOpNumThreads: Number(threads) },
});
const options = { pooling: 'mean', normalize: true };
await extract(sentences.slice(0, 8), options);
const started = performance.now();
for (let at = 0; at < sentences.length; at += Number(batch))
  await extract(sentences.slice(at, at + Number(batch)), options);
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ engine: 'transformers.js', seconds, perSecond: sentences.length / seconds }));
