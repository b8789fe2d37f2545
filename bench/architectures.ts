/**
 * Every architecture of llama.cpp and of transformers, as tiny random models: do we agree, refuse, or are we wrong? GGUF files
 * are as llama.cpp's test writes them, and with random sizes (heads, layers, experts, windows) and larger weights.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { filesOf } from '../scripts/models/skeleton.ts';
import { leftOut, type Variant, variedModel } from '../scripts/models/variedSizes.ts';
import { seededRandom } from '../src/core/random.ts';
import { agrees, distance } from './architectures/compare.ts';
import { type Answer, espalier, llamaCpp, type Peer, transformers } from './architectures/engines.ts';

const HELP = `Compares Espalier with llama.cpp and transformers on tiny random models of every architecture.

  npx tsx bench/architectures.ts [options]

  --seed N           seed of the weights and of the tokens (default: 1)
  --only PATTERN     only models whose name matches the regular expression
  --deviation X      standard deviation of the weights of GGUF files (default: 0.1)
  --tokens N         tokens of the prompt (default: 48)
  --without WHAT     gguf or folders: leave these out
  --llama-cpp DIR    folder with llama.cpp's test-llama-archs (default: $LLAMA_CPP_BIN or its build in the cache)
  --python FILE      Python with torch and transformers (default: $ESPALIER_PYTHON or python3)
  --keep DIR         write the models there and keep them
  --help

Agreement: mean KL <= 1e-5 nats and the same best token at >= 99% of the positions. The last line is JSON.`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    deviation: { type: 'string', default: '0.1' },
    tokens: { type: 'string', default: '48' },
    without: { type: 'string', multiple: true, default: [] },
    'llama-cpp': {
      type: 'string',
      default: process.env.LLAMA_CPP_BIN ?? join(homedir(), '.cache/espalier-llama-cpp/build/bin'),
    },
    python: { type: 'string', default: process.env.ESPALIER_PYTHON ?? 'python3' },
    keep: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const seed = Number(values.seed);
const only = new RegExp(values.only);
const folder = values.keep ?? (await mkdtemp(join(tmpdir(), 'espalier-architectures-')));

interface Row {
  readonly kind: 'gguf' | 'folder';
  readonly name: string;
  readonly verdict: 'agree' | 'refused' | 'wrong' | 'peer fails';
  readonly detail: string;
}

const rows: Row[] = [];

function tokensOf(vocabulary: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: Number(values.tokens) }, () => random.integer(vocabulary));
}

async function compare(kind: Row['kind'], name: string, path: string, peer: Peer, vocabulary: number): Promise<Row> {
  const tokens = tokensOf(vocabulary);
  const ours = await espalier(path, tokens, 256);
  const row = (verdict: Row['verdict'], detail: string) => {
    const result = { kind, name, verdict, detail };
    console.log(`${kind.padEnd(7)} ${name.padEnd(32)} ${verdict.padEnd(10)} ${detail}`);
    return result;
  };
  if ('refused' in ours) return row('refused', ours.refused);
  const job = { model: path, tokens, logits: true, kv: 'F32', flashAttention: false, context: 256, mayFail: true };
  const theirs: Answer = await peer.ask(job);
  if ('refused' in theirs) return row('peer fails', theirs.refused.slice(0, 160));
  const found = distance(ours.logits, theirs.logits);
  const detail = `KL ${found.meanKl.toExponential(1)}, top-1 ${(100 * found.top1).toFixed(0)}%, deviation ${found.deviation.toFixed(2)}`;
  return row(agrees(found) ? 'agree' : 'wrong', detail);
}

async function ggufs(): Promise<void> {
  const bin = join(values['llama-cpp'], 'test-llama-archs');
  if (!existsSync(bin)) return console.log(`no ${bin}: GGUF files are left out`);
  const to = join(folder, 'gguf');
  await mkdir(to, { recursive: true });
  execFileSync(bin, ['-o', to, '-s', String(seed), '-d', values.deviation], { stdio: 'ignore', maxBuffer: 2 ** 28 });
  const peer = llamaCpp();
  for (const file of (await readdir(to)).filter((name) => only.test(name)).toSorted()) {
    const name = file.replace('.gguf', '');
    rows.push(await compare('gguf', name, join(to, file), peer, 128));
    await compareVaried(join(to, file), `${name}-varied`, peer);
  }
  for (const [file, variant] of Object.entries(leftOut)) {
    const name = `${variant.architecture}-varied`;
    if (only.test(name)) await compareVaried(join(to, file), name, peer, variant);
  }
  await peer.stop();
}

/** The same architecture with random sizes, without grouped heads if llama.cpp refuses them. */
async function compareVaried(file: string, name: string, peer: Peer, variant?: Variant): Promise<void> {
  for (const grouped of [true, false]) {
    const skeleton = await variedModel(file, seed, grouped, variant).catch(() => undefined);
    if (!skeleton) return;
    const path = join(folder, `${name}.gguf`);
    for (const bytes of (await filesOf(skeleton)).values()) await writeFile(path, bytes);
    const row = await compare('gguf', name, path, peer, 128);
    if (row.verdict === 'peer fails' && grouped) continue;
    rows.push(row);
    return;
  }
}

async function folders(): Promise<void> {
  const script = fileURLToPath(new URL('./architectures/folders.py', import.meta.url));
  const to = join(folder, 'folders');
  try {
    execFileSync(values.python, [script, 'make', to, String(seed), values.only], {
      stdio: ['ignore', 'inherit', 'ignore'],
    });
  } catch {
    return console.log(`${values.python} cannot make folders: it needs torch and transformers`);
  }
  const peer = transformers(values.python);
  for (const name of (await readdir(to)).toSorted()) {
    rows.push(await compare('folder', name, join(to, name), peer, 128));
  }
  await peer.stop();
}

try {
  if (!values.without.includes('gguf')) await ggufs();
  if (!values.without.includes('folders')) await folders();
} finally {
  if (!values.keep) await rm(folder, { recursive: true });
}

const count = (kind: Row['kind'], verdict: Row['verdict']) =>
  rows.filter((row) => row.kind === kind && row.verdict === verdict).length;
const totals = Object.fromEntries(
  (['gguf', 'folder'] as const).map((kind) => [
    kind,
    {
      agree: count(kind, 'agree'),
      refused: count(kind, 'refused'),
      wrong: count(kind, 'wrong'),
      peerFails: count(kind, 'peer fails'),
    },
  ]),
);
const architectures = new Set(
  rows
    .filter(({ kind, verdict }) => kind === 'gguf' && verdict === 'agree')
    .map(({ name }) => name.split(/-dense|-moe|-varied/)[0]),
);
console.log(
  JSON.stringify({
    bench: 'architectures',
    seed,
    architectures: architectures.size,
    ...totals,
    wrong: rows.filter(({ verdict }) => verdict === 'wrong').map(({ name }) => name),
  }),
);
