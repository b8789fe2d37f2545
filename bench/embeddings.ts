/**
 * Sentences embedded per second, beside transformers.js (onnxruntime): fresh processes in turn, 1,000 sentences made from a
 * seed. The last line is a JSON object. The peer has an install of its own (`npm install` in bench/peers/embeddings) and reads
 * onnx/model.onnx of the folder; without either only Espalier is measured. Run after `npm run build`:
 *
 *     npx tsx bench/embeddings.ts FOLDER [ROUNDS]
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../src/core/random.ts';
import { lastLineOf } from './process.ts';

interface Figures {
  readonly engine: string;
  readonly seconds: number;
  readonly perSecond: number;
}

const SENTENCES = 1000;
const words =
  'the gardener ties young branches to a wall and every spring she prunes what grows away from it so that pears ripen early on warm stones'.split(
    ' ',
  );

function sentences(seed: number): string[] {
  const random = seededRandom(seed);
  return Array.from({ length: SENTENCES }, () =>
    Array.from({ length: 4 + random.integer(28) }, () => words[random.integer(words.length)]).join(' '),
  );
}

const [folder, rounds = '3'] = process.argv.slice(2);
if (!folder) throw new Error('usage: tsx bench/embeddings.ts FOLDER [ROUNDS]');
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const peers = path('peers/embeddings/');
const engines: [name: string, script: string][] = [['espalier', path('embeddingsEspalier.mjs')]];
if (existsSync(join(peers, 'node_modules')) && existsSync(join(folder, 'onnx/model.onnx')))
  engines.push(['transformers.js', join(peers, 'transformersJs.mjs')]);
else console.log('transformers.js is not installed, or the folder has no onnx/model.onnx: only Espalier is measured');

const scratch = mkdtempSync(join(tmpdir(), 'embeddings-'));
try {
  const file = join(scratch, 'sentences.json');
  writeFileSync(file, JSON.stringify(sentences(1)));
  const best = new Map<string, number>();
  for (let round = 0; round < Number(rounds); round++) {
    for (const [name, script] of engines) {
      const { perSecond } = await lastLineOf<Figures>(process.execPath, [script, folder, file]);
      console.log(`${name}: ${perSecond.toFixed(0)} sentences a second`);
      best.set(name, Math.max(best.get(name) ?? 0, perSecond));
    }
  }
  const [ours, theirs] = [best.get('espalier')!, best.get('transformers.js')];
  console.log(
    JSON.stringify({ sentences: SENTENCES, perSecond: Object.fromEntries(best), ratio: theirs ? ours / theirs : null }),
  );
} finally {
  rmSync(scratch, { recursive: true });
}
