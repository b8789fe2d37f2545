/** Embeds sentences with Espalier's build: node espalier.mjs FOLDER SENTENCES.json THREADS. */
import { readFileSync } from 'node:fs';
import { load } from '../../dist/index.js';

const [folder, file, threads] = process.argv.slice(2);
const sentences = JSON.parse(readFileSync(file, 'utf8'));
const model = await load(folder, { threads: Number(threads) });
await model.embed(sentences.slice(0, 8));
const started = performance.now();
await model.embed(sentences);
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ engine: 'espalier', seconds, perSecond: sentences.length / seconds }));
model.dispose();
