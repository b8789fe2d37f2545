/** An early exit as its graph and its readers see it: parts, promises and names. exits.ts reads and writes its file. */

/** The exit that a graph has. */
export interface ExitPart {
  /** Number of layers before it. */
  readonly depth: number;
  /** True to add the output `EXIT_TEACHER` for training. */
  readonly isTaught?: boolean;
}

/** The exit as a file describes it. */
export interface ExitHeader extends ExitPart {
  /** Architecture of the model that it belongs to. */
  readonly architecture: string;
  /** Number of layers of that model, and of tokens of its vocabulary. */
  readonly layers: number;
  readonly vocabulary: number;
  /** Ids of the rows of its output matrix. */
  readonly tokens: Int32Array;
  /** Promises that were calibrated, strictest first. */
  readonly promises: readonly BoundPromise[];
}

/** What a promise holds for: other weights or formats change which tokens differ. */
export interface ExitBinding {
  /** Fingerprint of the tensors of the model and of the exit, see `fingerprinted`. */
  readonly weights: string;
  /** Format of keys and values. */
  readonly kv: string;
}

/** A threshold with what it promises. */
export interface ExitPromise {
  /** Maximum share of tokens that differ from those of the whole model after the same text. */
  readonly risk: number;
  /** Probability that the promise is wrong, over the choice of the calibration prompts; 0: the promise holds on average only. */
  readonly delta: number;
  /** A token leaves where the margin of the two largest logits reaches this. */
  readonly threshold: number;
  /** Share of tokens that left on the calibration prompts, and number of those prompts. */
  readonly exited: number;
  readonly prompts: number;
}

/** A promise, and what it was calibrated with. */
export interface BoundPromise extends ExitPromise, ExitBinding {}

/** @returns undefined if the promise holds with this model, else what it was calibrated with */
export function promiseProblem(promise: ExitBinding, { weights, kv }: ExitBinding): string | undefined {
  if (promise.weights !== weights) return 'other weights or formats of weights';
  return promise.kv === kv ? undefined : `keys and values in ${promise.kv || 'another format'}`;
}

/** Name of the exit's output, [R, S]. */
export const EXIT_OUTPUT = 'exit';

/** Name of the whole model's logits for the exit's tokens, [R, S]. */
export const EXIT_TEACHER = 'exit teacher';

/** Name of the cut before an exit. */
export const exitCut = ({ depth }: ExitPart): string => `blk.${depth - 1}`;

/** Name of an exit's tensor that stands for a tensor of a block. */
export const exitTensor = (name: string): string => name.replace(/^blk\.\d+\./, 'exit.');
