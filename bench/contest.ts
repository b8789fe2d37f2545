/** Types of the benchmarks: figures, the engines they compare, the work, and the readings of a run. */

/** The same work done by several engines. */
export interface Contest {
  /** Name in reports. */
  readonly title: string;
  /** Parameters of the work. */
  readonly work: Readonly<Record<string, number>>;
  /** Parameters for --quick: seconds instead of minutes. */
  readonly quickWork: this['work'];
  /** Runs before each run. @throws {Skipped} */
  prepare?(): Promise<void>;
}

/** Readings of a run. Engines report only some of them. */
export interface Readings {
  readonly prefillTokensPerSecond?: number;
  readonly decodeTokensPerSecond?: number;
  /** Time to load a file in the page cache, including all work before the first token. */
  readonly loadSeconds?: number;
  readonly peakMemoryBytes?: number;
  readonly weightBytesPerSecond?: number;
  /** Training speed. */
  readonly learnedTokensPerSecond?: number;
  /** Loss before the last update. */
  readonly loss?: number;
  /** Flops that the mathematics of a training step needs. */
  readonly stepFlopsPerSecond?: number;
  /** Memory of the process minus its memory before the model existed. */
  readonly learningMemoryBytes?: number;
  /** Bytes of weights, gradients, optimizer state and activations according to the graph. */
  readonly neededMemoryBytes?: number;
  readonly forwardFlopsPerSecond?: number;
  readonly inputGradientFlopsPerSecond?: number;
  readonly weightGradientFlopsPerSecond?: number;
  /** Peak of a kernel that only multiplies and adds f32. */
  readonly peakFlopsPerSecond?: number;
}

export interface Settings {
  /** Node that runs Espalier. */
  readonly node: string;
}

export interface Engine<C extends Contest = Contest> {
  /** Name in reports, with settings. */
  readonly name: string;
  /** One measurement in fresh processes. @throws {Skipped} if it cannot run on this machine */
  run(contest: C, settings: Settings): Promise<Readings>;
}

export interface Figure<C extends Contest = Contest> {
  readonly name: string;
  readonly title: string;
  /** Figures of the same contest are measured together. */
  readonly contest: C;
  readonly reading: keyof Readings;
  /** Espalier's engines; the best one counts. */
  readonly ours: readonly Engine<C>[];
  /** Engines to compare with; the ratio is ours / the best of them. */
  readonly against: readonly Engine<C>[];
  /** Reading of `against` if it differs from `reading`, e.g. a bound that is measured in the same run. */
  readonly againstReading?: keyof Readings;
  /** Required ratio. `atMost` if less is better; `within` is the maximum distance from 1 if both sides should be equal. */
  readonly must: { readonly atLeast: number } | { readonly atMost: number } | { readonly within: number };
  readonly aim?: number;
}

/** A measurement is skipped because something it needs is missing. */
export class Skipped extends Error {}
