/** Embeds sentences with Espalier's build: node embeddingsEspalier.mjs FOLDER SENTENCES.json. */
import { readFileSync } from 'node:fs';
import { load } from '../dist/index.js';

const [folder, file] = process.argv.slice(2);
const sentences = JSON.parse(readFileSync(file, 'utf8'));
const model = await load(folder);
await model.embed(sentences.slice(0, 8));
const started = performance.now();
await model.embed(sentences);
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ engine: 'espalier', seconds, perSecond: sentences.length / seconds }));
model.dispose();
