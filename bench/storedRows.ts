/**
 * Memory of models with large embeddings, whose rows are read from the file: sparse files of the shapes of Gemma 4 E2B and E4B are
 * opened and decode. Limits: 2 GB resident for E2B, 3 GB for E4B. E2B also fits with embeddings in memory, and must choose the same
 * tokens then.
 *
 *     npm run build && npx tsx bench/storedRows.ts [--only e2b|e4b] [--vocabulary gemma-3.gguf] [--threads 2] [--tokens 16] [--prompt 64]
 *
 * The tokenizer's metadata are those of a Gemma 3 file, of the same size as Gemma 4's. The last line is JSON.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readGguf } from '../src/formats/gguf/read.ts';
import { type GgufValue, typedMetadata } from '../src/formats/gguf/write.ts';
import { fileSource } from '../src/formats/sources/path.node.ts';
import { gemma4Shapes, writeGemma4 } from './storedRows/gemma4File.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    vocabulary: { type: 'string', default: join(homedir(), '.cache/espalier-models/gemma-3-270m-q4_k_m.gguf') },
    threads: { type: 'string', default: '2' },
    tokens: { type: 'string', default: '16' },
    prompt: { type: 'string', default: '64' },
  },
});
const LIMITS: Readonly<Record<string, number>> = { e2b: 2e9, e4b: 3e9 };
const TOKENS = 262_144;

/** Metadata of the tokenizer: those of a real file, otherwise tokens without merges. */
async function vocabularyOf(path: string): Promise<Map<string, GgufValue>> {
  if (!existsSync(path)) {
    console.log(`no ${path}: the vocabulary has no merges, whose memory is not counted then`);
    return new Map<string, GgufValue>([
      ['tokenizer.ggml.model', 'gemma4'],
      ['tokenizer.ggml.tokens', Array.from({ length: TOKENS }, (_, id) => `<unused${id}>`)],
      ['tokenizer.ggml.token_type', Array.from({ length: TOKENS }, () => 1)],
      ['tokenizer.ggml.merges', ['<unused1> <unused2>']],
    ]);
  }
  const source = await fileSource(path);
  const metadata = typedMetadata(await readGguf(source));
  await source.close();
  return new Map([...metadata].filter(([key]) => key.startsWith('tokenizer.')));
}

interface Found {
  readonly load: number;
  readonly perToken: number;
  readonly ids: readonly number[];
  readonly logProbabilities: unknown;
  readonly resident: number;
  readonly peak: number;
}

function run(file: string, embeddings: string): Found {
  const script = fileURLToPath(new URL('storedRows/run.mjs', import.meta.url));
  const output = execFileSync(
    process.execPath,
    [script, file, values.threads, embeddings, values.tokens, values.prompt],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  return JSON.parse(output.trim().split('\n').at(-1)!);
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
const folder = mkdtempSync(join(tmpdir(), 'espalier-gemma4-'));
const results: Record<string, unknown> = {};
let passed = true;
try {
  const vocabulary = await vocabularyOf(values.vocabulary);
  for (const [name, shape] of Object.entries(gemma4Shapes)) {
    if (values.only && values.only !== name) continue;
    const file = join(folder, `${name}.gguf`);
    await writeGemma4(file, shape, vocabulary, TOKENS);
    const { size, blocks } = statSync(file);
    const found = run(file, 'auto');
    const most = LIMITS[name];
    const fits = Math.max(found.resident, found.peak) <= most;
    let same: boolean | undefined;
    if (name === 'e2b') {
      const resident = run(file, 'memory');
      same =
        JSON.stringify([resident.ids, resident.logProbabilities]) ===
        JSON.stringify([found.ids, found.logProbabilities]);
      results['e2b in memory'] = resident;
      console.log(
        `${name} with embeddings in memory: ${gigabytes(resident.peak)} at its peak, tokens ${same ? 'the same' : 'OTHERS'}`,
      );
    }
    passed &&= fits && same !== false;
    results[name] = { size, ...found, fits, same };
    console.log(
      `${name}: file ${gigabytes(size)} (${gigabytes(blocks * 512)} on the disk), loaded in ${found.load.toFixed(1)} s, ` +
        `${gigabytes(found.resident)} resident, ${gigabytes(found.peak)} at its peak (limit ${gigabytes(most)}: ${fits ? 'pass' : 'FAIL'}), ` +
        `${(1000 * found.perToken).toFixed(0)} ms a token, ${found.ids.length} tokens: ${found.ids.join(' ')}`,
    );
    rmSync(file);
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(JSON.stringify({ bench: 'storedRows', ...results }));
process.exitCode = passed ? 0 : 1;
