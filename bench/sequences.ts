/**
 * Many sequences at a time: tokens a second of 1 … 16 sessions that generate together, alternating with llama.cpp's
 * llama-batched-bench on the same file; the longest gap of a stream while another session reads a long prompt; 64 sessions in
 * memory for 8, none of which may be lost; the memory of 32 sessions. Ends in one JSON line.
 *
 *   npx tsx bench/sequences.ts [--model model.gguf] [--peer path/to/llama-batched-bench] [--threads 2] [--rounds 3]
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PAGE_POSITIONS } from '../src/graph/step.ts';
import { estimate, load, type Model, type Session } from '../src/index.ts';
import { randomModel } from './models.ts';

const COUNTS = [1, 2, 4, 8, 16];
const PROMPT = 16;
const LONG_PROMPT = 4000;
const STREAM = 64;
const QUEUED = 64;
/** Sessions of the queue that have room at a time. */
const ADMITTED = 8;

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    peer: { type: 'string', default: join(homedir(), '.cache/espalier-llama-cpp/build/bin/llama-batched-bench') },
    threads: { type: 'string', default: String(availableParallelism()) },
    rounds: { type: 'string', default: '3' },
    tokens: { type: 'string', default: '32' },
  },
});
const file = values.model ?? randomModel('135m', 'Q4_0').file();
const [threads, rounds, tokens] = [values.threads, values.rounds, values.tokens].map(Number) as [
  number,
  number,
  number,
];

/** Ids that differ between sessions, so that none has computed another one's prompt. */
const prompt = (seed: number, length: number): number[] =>
  Array.from({ length }, (_, i) => 100 + ((seed * 7919 + i * 104729) % 20000));

// random weights repeat themselves, which drafts would profit from and the peer has none
const settings = { temperature: 0, stop: [], draft: 'off' } as const;

/** Tokens a second of all sessions together, prompts aside. */
async function together(model: Model, count: number, round: number): Promise<number> {
  const sessions = Array.from({ length: count }, () => model.session());
  const first = await Promise.all(
    sessions.map(
      (session, i) => session.generate(prompt(100 * round + i, PROMPT), { ...settings, maxTokens: 1 }).result,
    ),
  );
  const began = performance.now();
  const all = await Promise.all(
    sessions.map((session, i) => {
      const past = [...session.tokens, ...(first[i]?.ids ?? [])];
      return session.generate(past, { ...settings, maxTokens: tokens }).result;
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  for (const session of sessions) session.dispose();
  return all.reduce((sum, result) => sum + result.tokens, 0) / seconds;
}

/** The same of llama.cpp, from its own table: S_TG. */
function peerTogether(count: number): number {
  const context = count * (PROMPT + tokens + 8);
  const options = [
    '-m',
    file,
    '-c',
    context,
    '-npp',
    PROMPT,
    '-ntg',
    tokens,
    '-npl',
    count,
    '-t',
    threads,
    '-tb',
    threads,
  ];
  const args = [...options.map(String), '--output-format', 'jsonl'];
  const output = execFileSync(values.peer, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const line = output.split('\n').find((text) => text.startsWith('{'));
  return Number(JSON.parse(line ?? '{}').speed_tg);
}

/** Milliseconds between the pieces of a stream. */
async function gaps(session: Session, seed: number): Promise<number[]> {
  const found: number[] = [];
  let last = 0;
  for await (const _ of session.generate(prompt(seed, PROMPT), { ...settings, maxTokens: STREAM })) {
    const now = performance.now();
    if (last > 0) found.push(now - last);
    last = now;
  }
  return found;
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

async function longestGap(model: Model) {
  const alone = await gaps(model.session(), 900);
  const controller = new AbortController();
  const reading = model
    .session()
    .generate(prompt(901, LONG_PROMPT), { ...settings, maxTokens: 1, signal: controller.signal });
  const read = reading.result.catch(() => undefined);
  const beside = await gaps(model.session(), 902);
  controller.abort();
  await read;
  return {
    alone: Math.max(...alone),
    aloneMedian: median(alone),
    beside: Math.max(...beside),
    besideMedian: median(beside),
  };
}

/** Sessions that wait for memory. @returns how many gave all of their tokens, and the greatest change of order */
async function queue() {
  const positions = PROMPT + tokens;
  const { cacheBytes } = await estimate(file, { context: 4096 });
  const pageBytes = (cacheBytes / 4096) * PAGE_POSITIONS;
  // each reserves one page more, for a copy
  const room = ADMITTED * (Math.ceil(positions / PAGE_POSITIONS) + 1) * pageBytes;
  using model = await load(file, { threads, context: 4096, prefixCacheBytes: 0, cacheBytes: room });
  const order: number[] = [];
  const results = await Promise.allSettled(
    Array.from({ length: QUEUED }, async (_, i) => {
      const session = model.session();
      const result = await session.generate(prompt(700 + i, PROMPT), { ...settings, maxTokens: tokens }).result;
      session.dispose();
      order.push(i);
      return result.tokens;
    }),
  );
  const finished = results.filter((result) => result.status === 'fulfilled' && result.value === tokens).length;
  const overtaken = Math.max(...order.map((i, place) => Math.abs(i - place)));
  return { queued: QUEUED, admitted: ADMITTED, finished, lost: QUEUED - finished, overtaken };
}

async function memory(model: Model) {
  const before = model.memoryBytes;
  const sessions = Array.from({ length: 32 }, () => model.session());
  await Promise.all(
    sessions.map((session, i) => session.generate(prompt(500 + i, 90), { ...settings, maxTokens: 11 }).result),
  );
  const positions = sessions.reduce((sum, session) => sum + session.tokens.length, 0);
  const perPosition = model.estimate.cacheBytes / model.context;
  const taken = model.memoryBytes - before;
  for (const session of sessions) session.dispose();
  return { bytes: taken, positions, share: taken / (positions * perPosition) };
}

const model = await load(file, { threads, context: 4096, prefixCacheBytes: 0 });
const hasPeer = existsSync(values.peer);
if (!hasPeer) console.log(`skipped: the peer ${values.peer} is not here`);
await together(model, 2, 0);
const speeds = new Map(COUNTS.map((count) => [count, { own: [] as number[], peer: [] as number[] }]));
for (let round = 1; round <= rounds; round++) {
  for (const [count, { own, peer }] of speeds) {
    own.push(await together(model, count, round));
    if (hasPeer) peer.push(peerTogether(count));
  }
}
const one = median(speeds.get(1)?.own ?? []);
const table = [...speeds].map(([count, { own, peer }]) => {
  const [ours, theirs] = [median(own), median(peer)];
  const ofPeer = median(own.map((speed, i) => speed / (peer[i] ?? Number.NaN)));
  console.log(
    `${count} at a time: ${ours.toFixed(1)} tokens/s, ${(ours / one).toFixed(2)} × one` +
      (hasPeer ? `, llama.cpp ${theirs.toFixed(1)}, ratio ${ofPeer.toFixed(2)}` : ''),
  );
  return { count, tokensPerSecond: ours, ofOne: ours / one, ...(hasPeer && { peer: theirs, ofPeer }) };
});
const gap = await longestGap(model);
console.log(
  `longest gap of a stream: ${gap.alone.toFixed(1)} ms alone, ${gap.beside.toFixed(1)} ms beside a prompt of ${LONG_PROMPT}`,
);
const held = await memory(model);
console.log(`32 sessions of ${held.positions / 32} positions: ${held.share.toFixed(2)} × what these take`);
model.dispose();
const waiting = await queue();
console.log(
  `${waiting.queued} queued for the memory of ${waiting.admitted}: ${waiting.lost} lost, overtaken by at most ${waiting.overtaken}`,
);
console.log(JSON.stringify({ model: file, threads, table, gap, memory: held, queue: waiting }));
if (waiting.lost > 0) process.exitCode = 1;
