/**
 * Speed of real models beside llama.cpp's own llama-bench: prefill, decode, load and memory of the same file, in fresh processes that
 * alternate. Of the peer the better of one thread and of all counts; Espalier chooses its threads itself. Ends in one JSON line.
 *
 *   npm run build && npx tsx bench/besideLlamaBench.ts [model.gguf …] [--rounds 5] [--node PATH] [--tools FOLDER]
 *
 * Models: those of ../shared/tools/fetch-models, in ~/.cache/espalier-models. Tools: ~/.cache/espalier-llama-cpp/build/bin.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { quantile } from '../src/runtime/statistics.ts';
import { machineFacts } from './machine.ts';

const PREFILL = 256;
const DECODE = 64;
const models = join(homedir(), '.cache/espalier-models');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    node: { type: 'string', default: process.execPath },
    tools: { type: 'string', default: join(homedir(), '.cache/espalier-llama-cpp/build/bin') },
  },
});
const files =
  positionals.length > 0
    ? positionals
    : ['gemma-3-270m-q4_k_m.gguf', 'qwen2.5-coder-1.5b-instruct-q4_k_m.gguf'].map((name) => join(models, name));
const cli = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const tool = join(values.tools, 'llama-bench');

interface Speeds {
  /** Tokens per second. */
  readonly prefill: number;
  readonly decode: number;
}

const run = (program: string, args: readonly (string | number)[]) =>
  execFileSync(program, args.map(String), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 26,
  });

function ours(file: string): Speeds & { readonly seconds: number; readonly memory: number } {
  const output = run(values.node, [cli, 'bench', file, '--prefill', PREFILL, '--decode', DECODE, '--json']);
  const found = JSON.parse(output.trim().split('\n').at(-1)!);
  const { prefillTokensPerSecond: prefill, decodeTokensPerSecond: decode, loadSeconds, peakMemoryBytes } = found;
  return { prefill, decode, seconds: loadSeconds, memory: peakMemoryBytes };
}

function theirs(file: string, threads: number): Speeds {
  const tests = ['-m', file, '-t', threads, '-p', PREFILL, '-n', DECODE, '-r', 3, '-o', 'json'];
  const found = JSON.parse(run(tool, tests)) as { n_prompt: number; avg_ts: number }[];
  const of = (isPrefill: boolean) => found.find(({ n_prompt }) => n_prompt > 0 === isPrefill)!.avg_ts;
  return { prefill: of(true), decode: of(false) };
}

/** The median of each field. */
function medians<T extends { readonly [Key in keyof T]: number }>(rows: readonly T[]): T {
  const keys = Object.keys(rows[0]) as (keyof T)[];
  return Object.fromEntries(
    keys.map((key) => [
      key,
      quantile(
        rows.map((row) => row[key]),
        0.5,
      ),
    ]),
  ) as T;
}

if (!existsSync(tool)) throw new Error(`there is no ${tool}: ../shared/tools/llama-cpp builds it, or see --tools`);
const machine = await machineFacts(values.node);
const counts = [...new Set([1, availableParallelism()])];
const table: object[] = [];
for (const file of files) {
  if (!existsSync(file)) {
    console.log(`skipped: there is no ${file}`);
    continue;
  }
  const own: ReturnType<typeof ours>[] = [];
  const peers: Speeds[] = [];
  for (let round = 1; round <= Number(values.rounds); round++) {
    own.push(ours(file));
    const found = counts.map((threads) => theirs(file, threads));
    const best = (key: keyof Speeds) => Math.max(...found.map((speeds) => speeds[key]));
    peers.push({ prefill: best('prefill'), decode: best('decode') });
    console.error(
      `${basename(file)}, round ${round}: ${own.at(-1)!.decode.toFixed(1)} and ${peers.at(-1)!.decode.toFixed(1)} tokens/s`,
    );
  }
  const [espalier, peer] = [medians(own), medians(peers)];
  const ratios = { prefill: espalier.prefill / peer.prefill, decode: espalier.decode / peer.decode };
  table.push({ model: basename(file), espalier, peer, ratios });
  for (const what of ['prefill', 'decode'] as const)
    console.log(
      `${basename(file)}, ${what}: ${espalier[what].toFixed(1)} tokens/s, llama-bench ${peer[what].toFixed(1)}: ${ratios[what].toFixed(2)} ×`,
    );
  console.log(`  load ${espalier.seconds.toFixed(2)} s, peak memory ${(espalier.memory / 1e6).toFixed(0)} MB`);
}
console.log(JSON.stringify({ machine, rounds: Number(values.rounds), table }));
