/** Embeds 1,000 sentences with transformers.js: node transformersJs.mjs FOLDER SENTENCES.json. FOLDER needs onnx/model.onnx. */
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { env, pipeline } from '@huggingface/transformers';

const [folder, file] = process.argv.slice(2);
env.localModelPath = dirname(resolve(folder));
env.allowRemoteModels = false;
const sentences = JSON.parse(readFileSync(file, 'utf8'));
const extract = await pipeline('feature-extraction', basename(resolve(folder)), { dtype: 'fp32' });
await extract(sentences.slice(0, 8), { pooling: 'mean', normalize: true });
const started = performance.now();
for (let at = 0; at < sentences.length; at += 32)
  await extract(sentences.slice(at, at + 32), { pooling: 'mean', normalize: true });
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ engine: 'transformers.js', seconds, perSecond: sentences.length / seconds }));
