/**
 * Writes test/goldens/embedders.golden.gz: what llama.cpp computes from the GGUF file of each model of `embedderPlans`, and
 * transformers and sentence-transformers from its folder.
 *
 *   (cd bench/peers && npm ci)
 *   npx tsx scripts/makeEmbedderGoldens.ts PYTHON [part of a name]
 *
 * PYTHON has torch, transformers and sentence-transformers. Goldens of other names are kept.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { seededRandom } from '../src/core/random.ts';
import { embedderGguf, writeEmbedderFolder } from './models/embedderFiles.ts';
import { type EmbedderGolden, embedderGoldens, readEmbedderGoldens } from './models/embedderGoldens.ts';
import { embedderPlans } from './models/embedders.ts';
import { sha256 } from './models/goldens.ts';

const [python, part = ''] = process.argv.slice(2);
if (!python) throw new Error('usage: tsx scripts/makeEmbedderGoldens.ts PYTHON');

const TEXTS = ['the pear', 'Pruning a pear, the gardener ties it to the wall.', 'walls'];
/** Lengths without [CLS] and [SEP]: one token, some, and more than all windows. */
const LENGTHS = [1, 7, 30];

function drawnTokens(): number[][] {
  const random = seededRandom(3);
  return LENGTHS.map((length) => [2, ...Array.from({ length }, () => 5 + random.integer(59)), 3]);
}

const tokens = drawnTokens();
const oracle = spawn(
  process.execPath,
  [fileURLToPath(new URL('../bench/peers/oracle.mjs', import.meta.url)), '--jobs'],
  {
    stdio: ['pipe', 'pipe', 'inherit'],
  },
);
const lines = createInterface({ input: oracle.stdout })[Symbol.asyncIterator]();
const inLlamaCpp = async (model: string, ids: readonly number[], kind: string): Promise<number[]> => {
  oracle.stdin.write(`${JSON.stringify({ model, tokens: ids, pooled: kind })}\n`);
  const line = await lines.next();
  if (line.done) throw new Error(`the oracle ended during ${model}`);
  return (JSON.parse(line.value) as { pooled: number[] }).pooled;
};

const scratch = await mkdtemp(join(tmpdir(), 'espalier-embedders-'));
const kept = part === '' ? [] : readEmbedderGoldens();
const goldens: EmbedderGolden[] = [];
try {
  for (const plan of embedderPlans) {
    const old = kept.find(({ name }) => name === plan.name);
    if (!plan.name.includes(part)) {
      if (old) goldens.push(old);
      continue;
    }
    const bytes = await embedderGguf(plan);
    const file = join(scratch, `${plan.name}.gguf`);
    await writeFile(file, bytes);
    const folder = join(scratch, plan.name);
    if (plan.config) await writeEmbedderFolder(folder, plan);
    const kind = plan.tensors.some(({ name }) => name === 'cls.output.weight') ? 'score' : 'embedding';
    const llamaCpp: number[][] = [];
    for (const ids of tokens) llamaCpp.push(await inLlamaCpp(file, ids, kind));
    const script = fileURLToPath(new URL('../test/goldens/embedders.py', import.meta.url));
    const transformers = plan.className
      ? JSON.parse(
          execFileSync(python, [script, folder, plan.className, JSON.stringify(tokens), JSON.stringify(TEXTS)], {
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'inherit'],
          }),
        )
      : undefined;
    goldens.push({ name: plan.name, sha256: sha256(bytes), tokens, texts: TEXTS, llamaCpp, transformers });
    console.log(`${plan.name}: ${llamaCpp[1].slice(0, 3).map((value) => value.toFixed(4))}`);
  }
} finally {
  oracle.stdin.end();
  await rm(scratch, { recursive: true });
}
// seven digits are what float32 has
const rounded = JSON.stringify(goldens, (_, value) =>
  typeof value === 'number' ? Number(value.toPrecision(7)) : value,
);
await writeFile(embedderGoldens, gzipSync(rounded, { level: 9 }));
