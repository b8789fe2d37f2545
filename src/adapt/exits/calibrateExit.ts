/** Calibrates the thresholds of an early exit on samples, and puts them into its file. */
import { OptionError } from '../../core/errors.ts';
import { memorySink } from '../../formats/byteSink.ts';
import { writeGguf } from '../../formats/gguf/write.ts';
import { type CheckpointSource, openCheckpoint } from '../../formats/open.ts';
import { copiedTensor } from '../../formats/tensorToWrite.ts';
import { type ExitPromise, promiseProblem } from '../../models/exitPart.ts';
import { exitMetadata, readExitHeader } from '../../models/exits.ts';
import type { Model } from '../../runtime/model.ts';
import { type ExitSample, exitedAt, lossAt } from './exitSamples.ts';
import { calibrate } from './riskControl.ts';

export interface PromiseOptions {
  /** Maximum share of tokens that differ from the whole model's after the same text. Default 0.01. */
  readonly risk?: number;
  /** Probability that the promise is wrong, over the choice of the prompts; 0: it holds on average. Default 0.05. */
  readonly delta?: number;
}

/** Thresholds that are tested, from the strictest on. They are fixed before any prompt is seen, which the promise needs. */
const THRESHOLDS = Array.from({ length: 60 }, (_, i) => 16 * 0.93 ** i);

/**
 * Finds the loosest threshold that keeps a promise.
 * @throws {OptionError} if there are too few prompts for it, or no threshold keeps it
 */
export function calibrateExit(
  samples: readonly ExitSample[],
  { risk = 0.01, delta = 0.05 }: PromiseOptions = {},
): ExitPromise {
  const losses = (threshold: number) => samples.map((sample) => lossAt(sample, threshold));
  const threshold = calibrate(THRESHOLDS, losses, risk, delta);
  if (threshold === undefined)
    throw new OptionError('risk', risk, 'a larger one: even the surest tokens of this exit differ more often');
  const exited = samples.reduce((sum, sample) => sum + exitedAt(sample, threshold), 0) / samples.length;
  return { risk, delta, threshold, exited, prompts: samples.length };
}

/**
 * Returns an exit's file with another promise, in place of one of the same risk and the same model. The promise holds for these weights and formats.
 * @param source a path, a URL or bytes @param model the one that was sampled, loaded with this exit @throws {OptionError} if it has no exit @throws {FormatError} if it is not an exit @throws {SourceError}
 */
export async function withPromise(
  source: CheckpointSource,
  promise: ExitPromise,
  model: Pick<Model, 'exit' | 'summary'>,
): Promise<Uint8Array> {
  const binding = model.exit?.binding;
  if (!binding) throw new OptionError('model', model.summary.source, "one that was loaded with the option 'exit'");
  const exit = await openCheckpoint(source);
  try {
    const header = readExitHeader(exit);
    const others = header.promises.filter(
      (each) => each.risk !== promise.risk || promiseProblem(each, binding) !== undefined,
    );
    const promises = [...others, { ...promise, ...binding }].sort((a, b) => a.risk - b.risk);
    const metadata = exitMetadata({ ...header, promises });
    const title = exit.metadata.get('general.name');
    if (typeof title === 'string') metadata.set('general.name', title);
    const tensors = [...exit.tensors.values()].map((tensor) => copiedTensor(tensor.name, tensor));
    const sink = memorySink();
    await writeGguf(sink, { metadata, tensors });
    return sink.bytes();
  } finally {
    await exit.close();
  }
}
