/**
 * Engines in Node. All compute the same: a prompt of random tokens in one batch, the logits of its last token,
 * then one token at a time. All use an f16 KV cache and only the CPU.
 */
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Engine, type Readings, Skipped } from './contest.ts';
import type { Inference } from './inference.ts';
import { type BenchModel, warmPageCache } from './models.ts';
import { lastLineOf } from './process.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

interface OurReadings extends Readings {
  readonly variant: string;
  readonly threads: number;
}

/**
 * Espalier, measured with `espalier bench`.
 * @param nodeOptions options of Node
 */
async function bench(
  node: string,
  contest: Inference,
  threads: number,
  ...nodeOptions: string[]
): Promise<OurReadings> {
  const program = [path('../dist/cli/main.js'), 'bench', contest.model.file()];
  const args = [...nodeOptions, ...program, ...workOptions(contest.work, threads), '--backend', 'wasm', '--json'];
  const readings = await lastLineOf<OurReadings>(node, args);
  if (readings.threads !== threads) throw new Skipped(`the engine uses ${readings.threads} threads`);
  return readings;
}

export function espalier(threads: number): Engine<Inference> {
  return { name: `espalier, ${threadsOf(threads)}`, run: (contest, { node }) => bench(node, contest, threads) };
}

/** Espalier on an engine without relaxed SIMD. */
export function withoutRelaxedSimd(threads: number): Engine<Inference> {
  return {
    name: `espalier without relaxed SIMD, ${threadsOf(threads)}`,
    run: async (contest, { node }) => {
      const readings = await bench(node, contest, threads, '--import', path('./withoutRelaxedSimd.mjs'));
      if (readings.variant !== 'baseline') throw new Error(`expected variant baseline, got ${readings.variant}`);
      return readings;
    },
  };
}

/** An engine that does the contest's work on another model. */
export function onModel(engine: Engine<Inference>, model: BenchModel): Engine<Inference> {
  return {
    name: `${engine.name}, ${model.title}`,
    run: async (contest, settings) => {
      await warmPageCache(model.file());
      return engine.run({ ...contest, model }, settings);
    },
  };
}

/** llama.cpp as built by node-llama-cpp. Its first repetition is a warm-up and does not count. */
export function native(threads: number): Engine<Inference> {
  return {
    name: `node-llama-cpp, ${threadsOf(threads)}`,
    run: (contest) => {
      const program = [path('./peers/nodeLlamaCpp.mjs'), contest.model.file()];
      return lastLineOf(process.execPath, [...program, ...workOptions(contest.work, threads)]);
    },
  };
}

function workOptions(work: Inference['work'], threads: number): string[] {
  return Object.entries({ ...work, threads }).flatMap(([name, value]) => [`--${name}`, `${value}`]);
}

/** Memory bandwidth: the upper bound of reading weights in decoding. */
export function memory(threads: number): Engine<Inference> {
  return {
    name: `memory, ${threadsOf(threads)}`,
    run: async () => ({ weightBytesPerSecond: await readBandwidth(threads) }),
  };
}

/** Peak memory bandwidth in bytes per second. */
export async function readBandwidth(threads: number): Promise<number> {
  const args = [path('./readBandwidth.mjs'), String(threads)];
  return (await lastLineOf<{ bytesPerSecond: number }>(process.execPath, args)).bytesPerSecond;
}

/** Memory limit of a model: its file, the KV cache of the contest's tokens, and `besideBytes`. */
export function memoryBudget(besideBytes: number): Engine<Inference> {
  return {
    name: `file + KV + ${besideBytes / 1e6} MB`,
    run: async ({ model, work: { prefill, decode } }) => {
      const cacheBytes = (prefill + decode) * model.cacheBytesPerToken;
      return { peakMemoryBytes: statSync(model.file()).size + cacheBytes + besideBytes };
    },
  };
}

export function threadsOf(count: number): string {
  return count === 1 ? '1 thread' : `${count} threads`;
}
