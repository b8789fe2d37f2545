/**
 * Makes test/goldens/families.golden.gz: a tiny model of every architecture by llama.cpp, of every folder type by transformers.
 *
 *   (cd bench/peers && npm ci)
 *   npx tsx scripts/makeFamilyGoldens.ts [pattern]
 *
 * It needs llama.cpp's test-llama-archs (in $LLAMA_CPP_BIN) and a Python with torch and transformers (in $ESPALIER_PYTHON).
 * With a pattern, only matching models are made anew.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Answer, llamaCpp, type Peer, transformers } from '../bench/architectures/engines.ts';
import { seededRandom } from '../src/core/random.ts';
import { readSafetensors } from '../src/formats/safetensors/read.ts';
import { memorySource } from '../src/formats/sources/memory.ts';
import { architectures } from '../src/models/index.ts';
import { type FamilyGolden, familyGolden, readFamilyGoldens, writeFamilyGoldens } from './models/familyGoldens.ts';
import { filesOf, type Skeleton } from './models/skeleton.ts';
import { leftOut, variedModel } from './models/variedSizes.ts';

const SEED = 5;
/** Longer than the windows of the models. */
const TOKENS = 40;
const CONTEXT = 256;
const ORACLES = 'llama.cpp through node-llama-cpp 3.22.1, KV cache F32; transformers 5, float32';

const pattern = new RegExp(process.argv[2] ?? '');
const python = process.env.ESPALIER_PYTHON ?? 'python3';
const bin = join(
  process.env.LLAMA_CPP_BIN ?? join(homedir(), '.cache/espalier-llama-cpp/build/bin'),
  'test-llama-archs',
);
const scratch = await mkdtemp(join(tmpdir(), 'espalier-families-'));
const types = new Set(architectures.flatMap(({ folders = [] }) => folders.flatMap(({ modelTypes }) => modelTypes)));
const keyOf = ({ kind, name }: Skeleton) => `${kind} ${name}`;
const kept = process.argv[2] ? (await readFamilyGoldens().catch(() => ({ families: [] }))).families : [];
const families = new Map(kept.map((golden) => [keyOf(golden.skeleton), golden]));

/** Writes a model's files and asks the peer for its logits. */
async function ask(skeleton: Skeleton, peer: Peer): Promise<FamilyGolden | string> {
  const folder = join(scratch, 'model');
  await mkdir(folder);
  try {
    const files = await filesOf(skeleton);
    for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
    const model = skeleton.kind === 'gguf' ? join(folder, [...files.keys()][0]) : folder;
    const random = seededRandom(skeleton.seed);
    const tokens = Array.from({ length: TOKENS }, () => random.integer(128));
    const job = { model, tokens, logits: true, kv: 'F32', flashAttention: false, context: CONTEXT, mayFail: true };
    const answer: Answer = await peer.ask(job);
    return 'refused' in answer ? answer.refused : familyGolden(skeleton, tokens, answer.logits);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function ggufs(): Promise<void> {
  const made = join(scratch, 'gguf');
  await mkdir(made);
  execFileSync(bin, ['-o', made, '-s', String(SEED)], { stdio: 'ignore' });
  const peer = llamaCpp();
  const files = (await readdir(made)).toSorted();
  const plans = [
    ...files.map((file) => ({ name: file, file, variant: undefined })),
    ...Object.entries(leftOut).map(([file, variant]) => ({ name: variant.architecture, file, variant })),
  ];
  for (const { name, file, variant } of plans) {
    if (!pattern.test(`gguf ${name}`)) continue;
    // some architectures have no grouped heads
    for (const grouped of [true, false]) {
      const path = join(made, file);
      const skeleton = await variedModel(path, SEED, grouped, variant).catch((error: Error) => error);
      if (skeleton === undefined) break;
      const golden = skeleton instanceof Error ? skeleton.message : await ask(skeleton, peer);
      if (typeof golden === 'string') {
        console.log(`gguf ${name}${grouped ? ', grouped' : ''}: ${golden.slice(0, 200)}`);
        continue;
      }
      families.set(keyOf(golden.skeleton), golden);
      break;
    }
  }
  await peer.stop();
}

async function folders(): Promise<void> {
  const script = fileURLToPath(new URL('../bench/architectures/folders.py', import.meta.url));
  const made = join(scratch, 'folders');
  await mkdir(made);
  const own = pattern.source.replace(/^folder /, '');
  execFileSync(python, [script, 'make', made, String(SEED), own], { stdio: ['ignore', 'inherit', 'ignore'] });
  const peer = transformers(python);
  for (const name of (await readdir(made)).toSorted()) {
    const config = await readFile(join(made, name, 'config.json'), 'utf8');
    const bytes = new Uint8Array(await readFile(join(made, name, 'model.safetensors')));
    const { tensors } = await readSafetensors(memorySource(bytes, name));
    const shapes = Object.fromEntries([...tensors].map(([tensor, { shape }]) => [tensor, shape]));
    if (!types.has(JSON.parse(config).model_type)) continue;
    const golden = await ask({ kind: 'folder', name, seed: SEED, config, tensors: shapes }, peer);
    if (typeof golden === 'string') console.log(`folder ${name}: ${golden.slice(0, 200)}`);
    else families.set(keyOf(golden.skeleton), golden);
  }
  await peer.stop();
}

try {
  if (!/^folder /.test(pattern.source)) await ggufs();
  if (!/^gguf /.test(pattern.source)) await folders();
} finally {
  await rm(scratch, { recursive: true });
}
const sorted = [...families].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, golden]) => golden);
await writeFamilyGoldens({ oracles: ORACLES, families: sorted });
console.log(`${families.size} models`);
