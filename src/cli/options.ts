/** Options that several commands share, and how their values are read. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type LoadOptions, load, type Model, type SamplingOptions } from '../index.ts';
import { progressBar } from './progressBar.ts';
import { printTrace } from './trace.ts';

/** Values of `addModelOptions`, under their names in the API. */
export type ModelValues = Pick<LoadOptions, 'threads' | 'context' | 'kv' | 'backend' | 'variant' | 'adapter'>;

export function addModelOptions(command: Command): Command {
  return addEngineOptions(command).option(
    '--context <tokens>',
    'tokens that fit (default: what the model was trained for, at most 4096)',
    number,
  );
}

/** The same without --context, for commands that mean something of their own by it. */
export function addEngineOptions(command: Command): Command {
  return addComputeOptions(command)
    .addOption(new Option('--kv <format>', 'format of keys and values').choices(['f32', 'f16', 'q8_0']).default('f16'))
    .option('--adapter <path>', 'a LoRA adapter (GGUF) that the model is run with');
}

/** What computes, and with how much. */
export function addComputeOptions(command: Command): Command {
  return command
    .option('--threads <count>', 'threads to compute with (default: what the backend finds best)', number)
    .addOption(new Option('--backend <name>', 'what computes').choices(['auto', 'wasm', 'reference']).default('auto'));
}

export function addSamplingOptions(command: Command, temperature: number): Command {
  return command
    .option('--temperature <number>', '0: always the likeliest token', number, temperature)
    .option('--top-k <count>', 'only the likeliest tokens; 0: all (default: 40)', number)
    .option('--top-p <share>', 'only those that hold this share of the probability (default: 0.95)', number)
    .option('--min-p <share>', 'only those at least this share as likely as the likeliest (default: 0.05)', number)
    .option('--repetition-penalty <number>', 'divides the logits of the last 64 tokens (default: 1)', number)
    .option('--seed <number>', 'repeats the draws of another time', number);
}

export function samplingOf(values: SamplingOptions): SamplingOptions {
  const { temperature, topK, topP, minP, repetitionPenalty, seed } = values;
  return { temperature, topK, topP, minP, repetitionPenalty, seed };
}

/** Loads with progress shown. */
export async function loadWithProgress(
  source: string,
  { threads, context, kv, backend, variant, adapter }: ModelValues,
  signal: AbortSignal,
): Promise<{ model: Model; loadSeconds: number }> {
  const progress = progressBar();
  const started = performance.now();
  try {
    const { onProgress } = progress;
    const trace = Boolean(process.env.ESPALIER_TRACE);
    const model = await load(source, { threads, context, kv, backend, variant, adapter, trace, signal, onProgress });
    if (trace) process.once('exit', () => printTrace(model));
    return { model, loadSeconds: (performance.now() - started) / 1000 };
  } finally {
    progress.stop();
  }
}

/** Reads an option's value; ranges are the API's to check. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw new InvalidArgumentError('Expected a number.');
  return value;
}

/** For options that may be given several times. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** Examples at the end of a command's help. */
export function examples(command: Command, lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);
}
