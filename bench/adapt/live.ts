/**
 * Generates with a deadline while another process is started and stopped: how many tokens come in time, governed and not, and in
 * node-llama-cpp beside it. Each engine runs in a process of its own, on the same shape.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { quantile } from '../../src/runtime/statistics.ts';
import { randomModel } from '../models.ts';

const EVENTS = 5;
/** Milliseconds without and with the other process. */
const [ALONE, BESIDE] = [4000, 4000] as const;
/** The deadline, relative to the median of an ungoverned token on the idle machine. */
const DEADLINE = 2;
/** Milliseconds in which an engine gets up to speed before anything counts. */
const WARM_UP = 3000;

/** What a child process prints, one JSON line each. */
export type LiveLine =
  | { readonly kind: 'ready' }
  | { readonly kind: 'token'; readonly ms: number }
  | { readonly kind: 'plan'; readonly name: string };

interface Run {
  readonly times: { readonly ms: number; readonly isBeside: boolean }[];
  changes: number;
}

export async function benchLive({ threads }: { threads: number }): Promise<object> {
  const file = randomModel('135m', 'Q4_0').file();
  const own = fileURLToPath(new URL('liveEspalier.ts', import.meta.url));
  const peers = fileURLToPath(new URL('../peers/liveLlamaCpp.mjs', import.meta.url));
  const espalier = (deadline: number) => ['--import', 'tsx', own, file, String(threads), String(deadline)];
  const free = await measure(espalier(0));
  const idle = quantile(
    free.times.filter(({ isBeside }) => !isBeside).map(({ ms }) => ms),
    0.5,
  );
  const deadline = DEADLINE * idle;
  console.log(`an ungoverned token takes ${idle.toFixed(2)} ms alone; deadline ${deadline.toFixed(2)} ms`);
  const found: Record<string, object> = { ungoverned: shown('ungoverned', free, deadline) };
  const governed = await measure(espalier(deadline));
  found.governed = shown('governed', governed, deadline);
  const hasPeers = existsSync(fileURLToPath(new URL('../peers/node_modules/node-llama-cpp', import.meta.url)));
  if (hasPeers) found.nodeLlamaCpp = shown('node-llama-cpp', await measure([peers, file, String(threads)]), deadline);
  else console.log('node-llama-cpp: skipped, bench/peers is not installed');
  return { idle, deadline, events: EVENTS, ...found };
}

function shown(name: string, { times, changes }: Run, deadline: number) {
  const share = (part: Run['times']) => part.filter(({ ms }) => ms <= deadline).length / Math.max(1, part.length);
  const beside = times.filter(({ isBeside }) => isBeside);
  const p95 = quantile(
    times.map(({ ms }) => ms),
    0.95,
  );
  const row = {
    tokens: times.length,
    inTime: share(times),
    inTimeBeside: share(beside),
    p95,
    changesPerEvent: changes / (2 * EVENTS),
  };
  console.log(
    `${name}: ${(100 * row.inTime).toFixed(1)}% of ${row.tokens} tokens in time, ${(100 * row.inTimeBeside).toFixed(1)}% beside the other process, p95 ${p95.toFixed(2)} ms, ${row.changesPerEvent.toFixed(1)} changes of plan per start or stop`,
  );
  return row;
}

/** Runs an engine, and starts and stops the other process beside it. */
async function measure(args: readonly string[]): Promise<Run> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const run: Run = { times: [], changes: 0 };
  let [isCounted, isBeside] = [false, false];
  let ready: () => void = () => undefined;
  const isReady = new Promise<void>((resolve) => {
    ready = resolve;
  });
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const found = JSON.parse(line) as LiveLine;
      if (found.kind === 'ready') ready();
      else if (!isCounted) continue;
      else if (found.kind === 'plan') run.changes++;
      else run.times.push({ ms: found.ms, isBeside });
    }
  });
  await Promise.race([isReady, ended(child)]);
  await sleep(WARM_UP);
  isCounted = true;
  for (let event = 0; event < EVENTS; event++) {
    await sleep(ALONE);
    const other = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
    isBeside = true;
    await sleep(BESIDE);
    isBeside = false;
    other.kill('SIGKILL');
  }
  child.kill('SIGKILL');
  return run;
}

const ended = (child: ChildProcess) =>
  new Promise<never>((_, reject) => {
    child.once('exit', (code) => reject(new Error(`the engine ended with ${code}`)));
  });

const sleep = (ms: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, ms);
  });
