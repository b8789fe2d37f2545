/**
 * Sentences embedded per second, beside transformers.js (onnxruntime) in Node and in Chromium: fresh processes in turn, 1,000
 * sentences made from a seed, float32 on both sides, the best of all rounds. The peer runs with batches of 32 and of 1 (which
 * needs no padding), and its better one counts. The last line is a JSON object.
 *
 *     (cd bench/peers/embeddings && npm ci)
 *     python bench/peers/embeddings/exportOnnx.py FOLDER ONNX_FOLDER      # torch, transformers, onnx, onnxscript
 *     npm run build && npx tsx bench/embeddings.ts FOLDER ONNX_FOLDER [--rounds 2] [--threads 2] [--sentences 1000] [--only node|chromium]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/core/random.ts';
import { haveChromium } from '../test/browser/chromium.ts';
import { inChromium } from './embeddings/chromium.ts';
import { lastLineOf } from './process.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '2' },
    threads: { type: 'string', default: String(availableParallelism()) },
    sentences: { type: 'string', default: '1000' },
    only: { type: 'string' },
  },
});
const [model, onnx] = positionals;
if (!model || !onnx) throw new Error('usage: tsx bench/embeddings.ts FOLDER ONNX_FOLDER');
const folders = { model, onnx };
const [rounds, threads] = [Number(values.rounds), Number(values.threads)];
/** Batch sizes of the peer. Espalier chooses its own. */
const BATCHES = [32, 1];

const words =
  'the gardener ties young branches to a wall and every spring she prunes what grows away from it so that pears ripen early on warm stones'.split(
    ' ',
  );

function madeSentences(seed: number, count: number): string[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () =>
    Array.from({ length: 4 + random.integer(28) }, () => words[random.integer(words.length)]).join(' '),
  );
}

interface Contest {
  readonly place: string;
  espalier(): Promise<number>;
  peer(batch: number): Promise<number>;
}

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'embeddings-'));
const file = join(scratch, 'sentences.json');
const sentences = madeSentences(1, Number(values.sentences));
writeFileSync(file, JSON.stringify(sentences));

async function inNode(script: string, folder: string, ...more: string[]): Promise<number> {
  const args = [path(script), folder, file, String(threads), ...more];
  return (await lastLineOf<{ perSecond: number }>(process.execPath, args)).perSecond;
}

const contests: Contest[] = [
  {
    place: 'node',
    espalier: () => inNode('embeddings/espalier.mjs', model),
    peer: (batch) => inNode('peers/embeddings/transformersJs.mjs', onnx, String(batch)),
  },
];
if (haveChromium())
  contests.push({
    place: 'chromium',
    espalier: () => inChromium({ worker: 'espalierWorker.js', sentences, threads, batch: 0 }, folders),
    peer: (batch) => inChromium({ worker: 'transformersJsWorker.js', sentences, threads, batch }, folders),
  });

try {
  const results: Record<string, object> = {};
  for (const contest of contests.filter(({ place }) => !values.only || place === values.only)) {
    const best = { espalier: 0, transformersJs: 0 };
    const note = (engine: keyof typeof best, perSecond: number, how: string) => {
      console.log(`${contest.place}, ${engine}${how}: ${perSecond.toFixed(1)} sentences a second`);
      best[engine] = Math.max(best[engine], perSecond);
    };
    for (let round = 0; round < rounds; round++) {
      note('espalier', await contest.espalier(), '');
      for (const batch of BATCHES) note('transformersJs', await contest.peer(batch), `, batches of ${batch}`);
    }
    results[contest.place] = { ...best, ratio: best.espalier / best.transformersJs };
  }
  console.log(JSON.stringify({ bench: 'embeddings', sentences: sentences.length, threads, perSecond: results }));
} finally {
  rmSync(scratch, { recursive: true });
}
