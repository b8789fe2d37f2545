/**
 * What is measured in Node. Each engine computes the same: a prompt of random tokens at once, the logits of its last one,
 * then one token at a time. All keep keys and values as f16, on the CPU alone.
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
 * Ours, as anyone can repeat it: `espalier bench`. Its first repetition is cold and counts like the others.
 * @param nodeOptions what comes before the program
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
  if (readings.threads !== threads) throw new Skipped(`there are ${readings.threads} threads here`);
  return readings;
}

export function espalier(threads: number): Engine<Inference> {
  return { name: `espalier, ${threadsOf(threads)}`, run: (contest, { node }) => bench(node, contest, threads) };
}

/** In an engine that says it has no relaxed SIMD. */
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

/** An engine doing the contest's work on another model. */
export function onModel(engine: Engine<Inference>, model: BenchModel): Engine<Inference> {
  return {
    name: `${engine.name}, ${model.title}`,
    run: async (contest, settings) => {
      await warmPageCache(model.file());
      return engine.run({ ...contest, model }, settings);
    },
  };
}

/** node-llama-cpp's own build of llama.cpp; its first repetition warms up and does not count. */
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

/** What weights could be read at if reading them were all there is to do: the bound of decoding. */
export function memory(threads: number): Engine<Inference> {
  return {
    name: `memory, ${threadsOf(threads)}`,
    run: async () => ({ weightBytesPerSecond: await readBandwidth(threads) }),
  };
}

/** Bytes per second that threads read of memory when they do nothing else. */
export async function readBandwidth(threads: number): Promise<number> {
  const args = [path('./readBandwidth.mjs'), String(threads)];
  return (await lastLineOf<{ bytesPerSecond: number }>(process.execPath, args)).bytesPerSecond;
}

/** What a model must not take more of: its file, the cache of the contest's tokens, and so much beside them. */
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
