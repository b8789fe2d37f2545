/**
 * Measures training quality: adapters on a quantized base compared with an F32 base, and students with and without a teacher. See
 * `about`.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openCheckpoint } from '../src/formats/open.ts';
import { load } from '../src/index.ts';
import { checkpointFolder } from '../src/train/checkpoint/folder.node.ts';
import { type LogLine, readRecipe, train } from '../src/train/index.ts';
import { parseLog } from '../src/train/log/logLine.ts';
import { writeModel } from '../src/train/result.ts';

const about = `npx tsx bench/quality.ts [adapter] [distillation] [--shared ../shared/data] [--threads 2]

Both start from the same model: a llama of 1.5 million parameters, trained on tiny Shakespeare for some minutes.
  adapter       LoRA of rank 8 on queries, values and feed-forward layers, for the model in F32 and in Q8_0. It learns a play
                without its last tenth; the result is the decrease of the held-out loss. If bench/peers is installed,
                llama.cpp runs model and adapter too, and its greedy continuation is compared with Espalier's.
  distillation  a student of a fifth of the size, with three seeds, trained on the text alone and with the teacher's
                distributions; the result is the held-out loss of each.
An interrupted run continues where it stopped (runs/quality). The last line is JSON.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    shared: { type: 'string', default: '../shared/data' },
    threads: { type: 'string', default: '2' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(about);
  process.exit();
}
const threads = Number(values.threads);
const wanted = positionals.length > 0 ? positionals : ['adapter', 'distillation'];
const runs = resolve('runs/quality');
const shared = (path: string) => resolve(values.shared, path);
await mkdir(runs, { recursive: true });

const data = { sequence: 128, batch: 8 };
const shakespeare = { sources: [{ path: shared('text/tinyshakespeare.txt') }], heldOut: { fraction: 0.1 }, ...data };

/** Runs or resumes a recipe. @returns the held-out losses; the first one is from before training */
async function learn(name: string, recipe: object): Promise<number[]> {
  const path = join(runs, `${name}.json`);
  const every = 100;
  const folders = { output: { path: `${name}.gguf` }, checkpoints: { folder: name, every } };
  await writeFile(path, JSON.stringify({ name, evaluation: { every }, ...folders, ...recipe }));
  const onLine = (line: LogLine) => {
    if (line.kind === 'evaluation') console.log(`${name}, step ${line.step}: held-out loss ${line.loss.toFixed(4)}`);
  };
  await train(path, { threads, resume: true, onLine });
  const log = parseLog(await readFile(join(runs, name, 'log.jsonl'), 'utf8'));
  return log.filter((line) => line.kind === 'evaluation').map(({ loss }) => loss);
}

/** The base model in F32. */
async function teach(): Promise<string> {
  await learn('base', {
    model: { architecture: 'llama', layers: 3, width: 192, heads: 6, feedForward: 512, context: 256 },
    tokenizer: { size: 1024 },
    data: shakespeare,
    steps: 1000,
    dropout: 0.1,
    optimizer: { learningRate: 2e-3 },
  });
  return join(runs, 'base.gguf');
}

/** The base model in another format. */
async function encoded(from: string, format: 'Q8_0'): Promise<string> {
  const { recipe } = await readRecipe(join(runs, 'base.json'));
  const checkpoint = await openCheckpoint(from);
  const file = `base-${format}.gguf`;
  const asIs = { checkpoint, weight: () => undefined };
  await writeModel(checkpointFolder(runs), file, { ...recipe, output: { ...recipe.output, format } }, asIs);
  await checkpoint.close();
  return join(runs, file);
}

async function adapter(base: string) {
  const plays = 'text/shakespeare-plays';
  const falls = new Map<string, number>();
  for (const [format, start] of [
    ['F32', base],
    ['Q8_0', await encoded(base, 'Q8_0')],
  ] as const) {
    const losses = await learn(`play-${format}`, {
      model: { start },
      data: { sources: [{ path: shared(`${plays}/comedyoferrors.txt`) }], heldOut: { fraction: 0.1 }, ...data },
      lora: { rank: 8, targets: ['attn_q', 'attn_v', 'ffn_down'] },
      steps: 200,
      optimizer: { learningRate: 2e-3, weightDecay: 0, warmup: 20 },
    });
    falls.set(format, losses[0] - Math.min(...losses));
  }
  const [floats, quantized] = [falls.get('F32')!, falls.get('Q8_0')!];
  const [whole, learned] = [await parameters(base), await parameters(join(runs, 'play-Q8_0.gguf'))];
  return { floats, quantized, ratio: quantized / floats, share: learned / whole, ...(await asLlamaCppSaysIt(base)) };
}

async function parameters(path: string): Promise<number> {
  const checkpoint = await openCheckpoint(path);
  await checkpoint.close();
  return [...checkpoint.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/** Compares the greedy continuation with an adapter between llama.cpp and Espalier. */
async function asLlamaCppSaysIt(base: string) {
  const peers = new URL('peers/', import.meta.url);
  if (!existsSync(new URL('node_modules', peers))) return { llamaCpp: 'skipped: bench/peers is not installed' };
  const path = join(runs, 'play-F32.gguf');
  const job = { model: base, adapter: path, text: 'DROMIO OF SYRACUSE', greedy: 40 };
  const peer = spawn(process.execPath, [fileURLToPath(new URL('oracle.mjs', peers)), '--jobs'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  peer.stdin.end(JSON.stringify(job));
  const { tokens, greedy } = JSON.parse(await text(peer.stdout)) as { tokens: number[]; greedy: number[] };
  const model = await load(base, { adapter: path });
  const { ids } = await model.session().generate(tokens, { maxTokens: 40, temperature: 0 }).result;
  model.dispose();
  const same = ids.findIndex((id, i) => id !== greedy[i]);
  return { llamaCpp: `${same < 0 ? ids.length : same} of ${greedy.length} greedy tokens are the same` };
}

async function distillation(teacher: string) {
  const student = {
    model: { architecture: 'llama', layers: 2, width: 96, heads: 3, feedForward: 256, context: 256 },
    tokenizer: { file: teacher },
    data: shakespeare,
    steps: 400,
    optimizer: { learningRate: 3e-3 },
  };
  const seeds = [];
  for (const seed of [1, 2, 3]) {
    const taught = { teachers: [{ path: teacher }], hardLabels: 0.3, temperature: 1.5 };
    const alone = Math.min(...(await learn(`alone-${seed}`, { ...student, seed })));
    const distilled = Math.min(...(await learn(`distilled-${seed}`, { ...student, seed, distillation: taught })));
    seeds.push({ seed, alone, distilled, margin: alone - distilled });
  }
  return seeds;
}

const base = await teach();
const found = {
  ...(wanted.includes('adapter') && { adapter: await adapter(base) }),
  ...(wanted.includes('distillation') && { distillation: await distillation(base) }),
};
console.log(JSON.stringify(found));
