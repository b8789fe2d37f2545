/** What is measured: engines, the work they do, and what a run says of it. */
import type { BenchModel } from './models.ts';

/** Work that several engines do on one model. */
export interface Contest {
  readonly model: BenchModel;
  /** Tokens of the prompt, computed at once; their last one's logits are wanted. */
  readonly prefill: number;
  /** Tokens computed one after another behind it. */
  readonly decode: number;
  /** Repetitions in one process, of which the median counts. */
  readonly runs: number;
}

/** What runs tell; an engine tells what it knows. */
export interface Readings {
  readonly prefillTokensPerSecond?: number;
  readonly decodeTokensPerSecond?: number;
  /** Of the file in the page cache, everything included that must be done before the first token. */
  readonly loadSeconds?: number;
  readonly peakMemoryBytes?: number;
  readonly weightBytesPerSecond?: number;
}

export interface Settings {
  readonly rounds: number;
  /** A smoke test: little work. */
  readonly quick: boolean;
  /** Node that runs our side. */
  readonly node: string;
}

export interface Engine {
  /** As reports name it, settings included. */
  readonly name: string;
  /** One measurement in fresh processes. @throws {Skipped} where it cannot be had here */
  run(contest: Contest, settings: Pick<Settings, 'node'>): Promise<Readings>;
}

/** Something that a measurement needs is not here. */
export class Skipped extends Error {}

/** The same in seconds instead of minutes. */
export function smaller(contest: Contest): Contest {
  const { prefill, decode } = contest;
  return { ...contest, prefill: Math.ceil(prefill / 8), decode: Math.ceil(decode / 6), runs: 1 };
}
