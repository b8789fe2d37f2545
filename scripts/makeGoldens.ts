/**
 * Runs every model of `goldenPlans` in llama.cpp and writes the results to test/goldens.
 *
 *   (cd bench/peers && npm ci)
 *   npx tsx scripts/makeGoldens.ts [part of a name]
 *
 * The forced tokens are llama.cpp's continuation of a prompt, or random tokens, after BOS if the vocabulary has one.
 * If the two most likely next tokens are so close that rounding could swap them, another token is tried. So a different top token
 * is an error and not chance.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../src/core/random.ts';
import { makeModel } from './models/gguf.ts';
import {
  type Golden,
  type GoldenPlan,
  type Greedy,
  goldenPlans,
  type Perplexity,
  sha256,
  softmax,
  writeGolden,
} from './models/goldens.ts';
import { gardenText } from './models/text.ts';

const POSITIONS = 64;
/** Prompt for trained models. */
const FOLLOWED = 128;
/** Minimum distance of the two highest logits. Rounding activations to 8 bits changes logits by some hundredths. */
const LEAST_GAP = 0.25;
const TRIES = 60;
const SEED = 7;

interface Job {
  readonly model: string;
  readonly text?: string;
  readonly tokens?: readonly number[];
  readonly greedy?: number;
  readonly logits?: boolean;
}

interface Answer {
  readonly tokens: readonly number[];
  /** Null if the vocabulary adds no BOS. */
  readonly bos: number | null;
  readonly greedy: readonly number[];
  /** One row per token. */
  readonly logits: readonly Float32Array[];
}

const peers: { dependencies: Record<string, string> } = JSON.parse(
  await readFile(new URL('../bench/peers/package.json', import.meta.url), 'utf8'),
);

/** Process of bench/peers/oracle.mjs that runs jobs one by one. */
function startOracle() {
  const script = fileURLToPath(new URL('../bench/peers/oracle.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, '--jobs'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(job: Job): Promise<Answer> {
      child.stdin.write(`${JSON.stringify(job)}\n`);
      const line = await lines.next();
      if (line.done) throw new Error(`the oracle ended during ${job.model}`);
      const answer: Omit<Answer, 'logits'> & { logits?: string } = JSON.parse(line.value);
      return { ...answer, logits: rowsOf(answer.logits, answer.tokens.length) };
    },
    stop: () => child.stdin.end(),
  };
}

function rowsOf(base64: string | undefined, rows: number): Float32Array[] {
  if (base64 === undefined) return [];
  const all = new Float32Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer);
  const width = all.length / rows;
  return Array.from({ length: rows }, (_, row) => all.subarray(row * width, (row + 1) * width));
}

const oracle = startOracle();

async function makeGolden(plan: GoldenPlan, path: string): Promise<Golden> {
  const greedy = plan.greedy && (await greedyOf(path, plan.greedy));
  const forced = greedy ? await followed(path, greedy[0]) : await forcedTokens(path);
  return {
    name: plan.name,
    model: plan.model,
    sha256: sha256(await readFile(path)),
    oracle: `node-llama-cpp ${peers.dependencies['node-llama-cpp']}, CPU, flash attention on, KV cache F16`,
    tokens: forced.tokens,
    probabilities: forced.logits.map(softmax),
    greedy,
    perplexity: plan.perplexity && (await perplexitiesOf(path, plan.perplexity)),
  };
}

/** A prompt and its greedy continuation. */
function followed(model: string, { tokens, continuation }: Greedy): Promise<Answer> {
  return oracle.ask({ model, tokens: [...tokens, ...continuation].slice(0, FOLLOWED), logits: true });
}

/** Replaces tokens until the most likely next token is clear at every position, or the maximum of attempts is reached. */
async function forcedTokens(model: string): Promise<Answer> {
  const probe = await oracle.ask({ model, tokens: [3], logits: true });
  const random = seededRandom(SEED);
  const draw = () => 3 + random.integer(probe.logits[0].length - 3);
  const tokens = Array.from({ length: POSITIONS }, draw);
  if (probe.bos !== null) tokens[0] = probe.bos;
  for (let tries = 0; ; tries++) {
    const answer = await oracle.ask({ model, tokens, logits: true });
    const close = answer.logits.flatMap((row, at) => (gap(row) < LEAST_GAP && at > 0 ? [at] : []));
    if (close.length === 0 || tries === TRIES) {
      if (close.length > 0) console.error(`${model}: ${close.length} positions are still close`);
      return answer;
    }
    for (const at of close) tokens[at] = draw();
  }
}

/** Distance of the two highest values. */
function gap(logits: Float32Array): number {
  const [first, second] = logits.toSorted().subarray(-2).reverse();
  return first - second;
}

async function greedyOf(model: string, { prompts, tokens: greedy }: NonNullable<GoldenPlan['greedy']>) {
  const continuations: Greedy[] = [];
  for (const prompt of prompts) {
    const { tokens, greedy: continuation } = await oracle.ask({ model, text: prompt, greedy });
    continuations.push({ prompt, tokens, continuation });
  }
  return continuations;
}

async function perplexitiesOf(model: string, contexts: readonly number[]): Promise<Perplexity[]> {
  const { tokens, bos } = await oracle.ask({ model, text: gardenText });
  const perplexities: Perplexity[] = [];
  for (const context of contexts) {
    const first = context / 2;
    const nll: number[] = [];
    for (let start = 0; start + context <= tokens.length; start += context) {
      const chunk = tokens.slice(start, start + context);
      const forced = bos === null ? chunk : [bos, ...chunk.slice(1)];
      const { logits } = await oracle.ask({ model, tokens: forced, logits: true });
      const losses = chunk.slice(first + 1).map((token, i) => -Math.log(softmax(logits[first + i])[token]));
      nll.push(losses.reduce((sum, loss) => sum + loss, 0));
    }
    const scored = nll.length * (context - first - 1);
    const perplexity = Math.exp(nll.reduce((sum, loss) => sum + loss, 0) / scored);
    perplexities.push({ tokens, context, nll, scored, perplexity });
  }
  return perplexities;
}

const part = process.argv[2] ?? '';
const scratch = await mkdtemp(join(tmpdir(), 'espalier-goldens-'));
try {
  for (const plan of goldenPlans.filter(({ name }) => name.includes(part))) {
    let path = fileURLToPath(new URL('../../shared/data/', import.meta.url));
    if ('shared' in plan.model) path = join(path, plan.model.shared);
    else {
      path = join(scratch, `${plan.name}.gguf`);
      await writeFile(path, await makeModel(plan.model.made));
    }
    const golden = await makeGolden(plan, path);
    await writeGolden(golden);
    console.log(describe(golden));
    if ('made' in plan.model) await rm(path);
  }
} finally {
  oracle.stop();
  await rm(scratch, { recursive: true });
}

function describe({ name, probabilities }: Golden): string {
  const entropies = probabilities.map((row) => row.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0));
  const mean = entropies.reduce((sum, entropy) => sum + entropy, 0) / entropies.length;
  const tops = probabilities.map((row) => Math.max(...row)).sort((a, b) => a - b);
  return `${name}: entropy ${mean.toFixed(2)} nats, top probability ${tops[tops.length >> 1].toFixed(2)} (median)`;
}
