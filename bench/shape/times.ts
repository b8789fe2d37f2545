/** Time and memory: a 1B F16 file beside llama-quantize, and OBS on blocks of a 0.5B model. */
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { writeModel } from '../../scripts/models/index.ts';
import { writeImatrix } from '../../src/compress/index.ts';
import { seededRandom } from '../../src/core/random.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { checkTools, toolPath } from '../peers/llamaQuantize.ts';
import { ended } from '../process.ts';

type ModelOptions = Parameters<typeof writeModel>[1];

const folder = resolve('runs/shape/times');
const cli = resolve('dist/cli/main.js');
/** Llama 3.2 1B with Llama 2's vocabulary and an untied output layer. */
const ONE_B: ModelOptions = {
  ...{ architecture: 'llama', format: 'F16', large: true },
  dimensions: { width: 2048, layers: 16, heads: 32, kvHeads: 8, headSize: 64, ffn: 8192, vocabulary: 32000 },
};
/** Qwen 2.5 0.5B but for its vocabulary, with tied embeddings. */
const HALF_B = (layers: number): ModelOptions => ({
  ...{ architecture: 'smollm2', format: 'F16', large: true },
  dimensions: { width: 896, layers, heads: 14, kvHeads: 2, headSize: 64, ffn: 4864, vocabulary: 49152, context: 512 },
});
const HALF_B_LAYERS = 24;

async function model(name: string, options: ModelOptions): Promise<string> {
  const path = join(folder, name);
  if (existsSync(path)) return path;
  await mkdir(folder, { recursive: true });
  const stream = createWriteStream(`${path}.partial`);
  await writeModel(
    { write: (bytes) => new Promise((done, fail) => stream.write(bytes, (error) => (error ? fail(error) : done()))) },
    options,
  );
  await new Promise<void>((done) => stream.end(done));
  await rename(`${path}.partial`, path);
  return path;
}

/** Seconds and the peak of the resident memory (Linux). */
interface Run {
  readonly seconds: number;
  readonly peakBytes: number;
}

async function timed(command: string, args: readonly string[]): Promise<Run> {
  const started = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let peakBytes = 0;
  const poll = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peakBytes = Math.max(peakBytes, 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    } catch {
      // it has ended, or this is not Linux
    }
  }, 100);
  await ended(child).finally(() => clearInterval(poll));
  return { seconds: (performance.now() - started) / 1000, peakBytes };
}

/** An importance matrix with values of different magnitudes: times do not depend on them. */
async function anyImatrix(source: string): Promise<string> {
  const path = join(folder, 'any-imatrix.gguf');
  const checkpoint = await openCheckpoint(source);
  const random = seededRandom(1);
  const entries = new Map(
    [...checkpoint.tensors.values()]
      .filter(({ shape, name }) => shape.length === 2 && name.startsWith('blk.'))
      .map(({ name, shape }) => {
        const squares = Float32Array.from({ length: shape.at(-1)! }, () => Math.exp(random.normal()));
        return [name, { squares, tokens: [512] }] as const;
      }),
  );
  await checkpoint.close();
  await writeImatrix(path, { entries, texts: ['any'], windows: 1, windowSize: 512 });
  return path;
}

const best = (runs: readonly Run[]): Run => runs.reduce((a, b) => (b.seconds < a.seconds ? b : a));

/** @param types 'Q4_0' is plain, K formats are by importance @param rounds runs of both, alternating; the best counts */
export async function benchSpeed(types: readonly string[], threads: number, rounds: number): Promise<object[]> {
  checkTools();
  const source = await model('1b-f16.gguf', ONE_B);
  const rows: object[] = [];
  for (const type of types.length > 0 ? types : ['Q4_0', 'Q3_K_M', 'Q4_K_M']) {
    const isPlain = type === 'Q4_0';
    const matrix = isPlain ? [] : ['--imatrix', await anyImatrix(source)];
    const [ours, theirs] = [join(folder, 'espalier.gguf'), join(folder, 'llama.gguf')];
    const runs: { mine: Run[]; peer: Run[] } = { mine: [], peer: [] };
    for (let round = 0; round < rounds; round++) {
      runs.peer.push(await timed(toolPath('llama-quantize'), [...matrix, source, theirs, type, String(threads)]));
      await rm(theirs);
      const args = ['quantize', source, ours, '--type', type, ...matrix, '--threads', String(threads)];
      runs.mine.push(await timed(process.execPath, [cli, ...args]));
      await rm(ours);
    }
    const [mine, peer] = [best(runs.mine), best(runs.peer)];
    const speed = peer.seconds / mine.seconds;
    const bar = isPlain ? 0.8 : 1.5;
    rows.push({ type, threads, ...mine, peerSeconds: peer.seconds, peerPeakBytes: peer.peakBytes, speed, bar });
    console.log(
      `1B F16 → ${type}${isPlain ? '' : ' by importance'}, ${threads} threads: ${mine.seconds.toFixed(1)} s, llama-quantize ${peer.seconds.toFixed(1)} s: ` +
        `${speed.toFixed(2)} × its speed (bar ${bar}) ${speed >= bar ? 'reached' : 'MISSED'}; memory ${(mine.peakBytes / 1e9).toFixed(2)} GB, its ${(peer.peakBytes / 1e9).toFixed(2)} GB`,
    );
  }
  return rows;
}

/**
 * OBS with 128 × 512 tokens. With fewer than all blocks the time of a block is measured and multiplied, which leaves out nothing but the
 * embedding.
 * @param layers blocks of the model, fewer than two do not say what one of them takes
 */
export async function benchCalibration(text: string, layers: number, threads: number): Promise<object> {
  const run = async (count: number) => {
    const source = await model(`0.5b-${count}.gguf`, HALF_B(count));
    const output = join(folder, 'espalier-obs.gguf');
    const args = [
      'quantize',
      source,
      output,
      '--type',
      'Q4_0',
      '--pure',
      '--calibrate',
      text,
      '--threads',
      String(threads),
    ];
    const found = await timed(process.execPath, [cli, ...args]);
    await rm(output);
    return found;
  };
  const few = layers < HALF_B_LAYERS ? await run(1) : undefined;
  const { seconds, peakBytes } = await run(layers);
  const perBlock = few && (seconds - few.seconds) / (layers - 1);
  const whole = few ? few.seconds + (HALF_B_LAYERS - 1) * perBlock! : seconds;
  const row = { layers, seconds, peakBytes, perBlock, wholeSeconds: whole, bars: { minutes: 30, bytes: 3e9 } };
  console.log(
    `0.5B, Q4_0 with OBS, 128 × 512 tokens, ${threads} threads: ${layers} blocks in ${seconds.toFixed(0)} s, ` +
      `${HALF_B_LAYERS} in ${(whole / 60).toFixed(1)} min${few ? ' (extrapolated)' : ''} (bar 30), memory ${(peakBytes / 1e9).toFixed(2)} GB (bar 3)`,
  );
  return row;
}
