/** What is measured: figures, the engines they compare, the work that these do, and what a run says of it. */

/** Work that several engines do. */
export interface Contest {
  /** As reports name it. */
  readonly title: string;
  /** Numbers that say what is done, for engines and reports. */
  readonly work: Readonly<Record<string, number>>;
  /** The same in seconds instead of minutes. */
  readonly quickWork: this['work'];
  /** Done before each run. @throws {Skipped} */
  prepare?(): Promise<void>;
}

/** What runs tell; an engine tells what it knows. */
export interface Readings {
  readonly prefillTokensPerSecond?: number;
  readonly decodeTokensPerSecond?: number;
  /** Of the file in the page cache, everything included that must be done before the first token. */
  readonly loadSeconds?: number;
  readonly peakMemoryBytes?: number;
  readonly weightBytesPerSecond?: number;
  /** Of whole updates. */
  readonly learnedTokensPerSecond?: number;
  /** Before the last update. */
  readonly loss?: number;
  /** Flops of a training step that its maths has. */
  readonly stepFlopsPerSecond?: number;
  /** Of the process, beyond what it had before there was a model. */
  readonly learningMemoryBytes?: number;
  /** Weights, gradients, optimizer's state and the activations that the graph says. */
  readonly neededMemoryBytes?: number;
  readonly forwardFlopsPerSecond?: number;
  readonly inputGradientFlopsPerSecond?: number;
  readonly weightGradientFlopsPerSecond?: number;
  /** Of a kernel that does nothing but multiply and add f32. */
  readonly peakFlopsPerSecond?: number;
}

export interface Settings {
  /** Node that runs our side. */
  readonly node: string;
}

export interface Engine<C extends Contest = Contest> {
  /** As reports name it, settings included. */
  readonly name: string;
  /** One measurement in fresh processes. @throws {Skipped} where it cannot be had here */
  run(contest: C, settings: Settings): Promise<Readings>;
}

export interface Figure<C extends Contest = Contest> {
  readonly name: string;
  readonly title: string;
  /** Figures of the same contest are measured together. */
  readonly contest: C;
  readonly reading: keyof Readings;
  /** The best of them counts. */
  readonly ours: readonly Engine<C>[];
  /** What ours is divided by: again the best of them. */
  readonly against: readonly Engine<C>[];
  /** What is read of these, where it is something else, such as the bound of a run that tells both. */
  readonly againstReading?: keyof Readings;
  /** Bounds of the ratio; where less is better, `atMost`; where both sides are to be the same, how far it may be from 1. */
  readonly must: { readonly atLeast: number } | { readonly atMost: number } | { readonly within: number };
  readonly aim?: number;
}

/** Something that a measurement needs is not here. */
export class Skipped extends Error {}
