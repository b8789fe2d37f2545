/** Options shared by several commands, and parsers of option values. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type LoadOptions, load, type Model, OptionError, type SamplingOptions } from '../index.ts';
import { progressBar } from './progressBar.ts';
import { printTrace } from './trace.ts';

/** Values of `addModelOptions`, with the names of the API. */
export type ModelValues = Pick<
  LoadOptions,
  | 'threads'
  | 'context'
  | 'kv'
  | 'backend'
  | 'variant'
  | 'adapter'
  | 'embeddings'
  | 'exact'
  | 'adapt'
  | 'draftModel'
  | 'exit'
  | 'bits'
  | 'width'
> & {
  /** Components of a package to load. */
  readonly component?: readonly string[];
};

export function addModelOptions(command: Command): Command {
  return addEngineOptions(command).option(
    '--context <tokens>',
    'context length in tokens (default: the trained length, at most 4096, or 8192 for encoders)',
    number,
  );
}

/** The model options without --context, for commands that define their own. */
export function addEngineOptions(command: Command): Command {
  return addComputeOptions(command)
    .addOption(new Option('--kv <format>', 'format of the KV cache').choices(['f32', 'f16', 'q8_0']).default('f16'))
    .option('--adapter <path>', 'LoRA adapter (GGUF) to apply')
    .option(
      '--component <role>',
      'component to load from a package: adapter/NAME, which is applied, head/NAME, experts/NAME or draft; may be repeated',
      collect,
    )
    .addOption(
      new Option(
        '--embeddings <place>',
        'where embeddings of tokens are; file: read row by row (default: in the file from 256 MiB on)',
      ).choices(['auto', 'memory', 'file']),
    )
    .option(
      '--bits <4|8>',
      'bits at which a file with nested bits is read (default: 8, with both planes loaded)',
      number,
    )
    .option('--width <share>', 'share of the neurons of a file with nested widths, e.g. 0.75 (default: all)', number);
}

/** Options that select the backend and its threads. */
export function addComputeOptions(command: Command): Command {
  return command
    .option('--threads <count>', 'number of threads (default: measured)', number)
    .addOption(
      new Option('--backend <name>', 'compute backend').choices(['auto', 'wasm', 'reference']).default('auto'),
    );
}

export function addSamplingOptions(command: Command, temperature: number): Command {
  return command
    .option('--temperature <number>', 'sampling temperature; 0: always the most likely token', number, temperature)
    .option('--top-k <count>', 'sample from the k most likely tokens; 0: all (default: 40)', number)
    .option('--top-p <share>', 'sample from the most likely tokens with this total probability (default: 0.95)', number)
    .option('--min-p <share>', 'drop tokens below this fraction of the highest probability (default: 0.05)', number)
    .option('--repetition-penalty <number>', 'divide the logits of the last 64 tokens by this (default: 1)', number)
    .option('--seed <number>', 'seed of the sampler (default: random)', number);
}

export function samplingOf(values: SamplingOptions): SamplingOptions {
  const { temperature, topK, topP, minP, repetitionPenalty, seed } = values;
  return { temperature, topK, topP, minP, repetitionPenalty, seed };
}

/** Loads a model and shows a progress bar. */
export async function loadWithProgress(
  source: string,
  {
    threads,
    context,
    kv,
    backend,
    variant,
    adapter,
    embeddings,
    exact,
    adapt,
    draftModel,
    exit,
    bits,
    width,
    component: components,
  }: ModelValues,
  signal: AbortSignal,
): Promise<{ model: Model; loadSeconds: number }> {
  const progress = progressBar();
  const started = performance.now();
  try {
    const { onProgress } = progress;
    const trace = Boolean(process.env.ESPALIER_TRACE);
    const precise = exact ? { exact, kv: 'f32' as const } : { kv };
    const options = {
      threads,
      context,
      ...precise,
      backend,
      variant,
      adapter,
      embeddings,
      adapt,
      draftModel,
      exit,
      bits,
      width,
      components,
      trace,
      signal,
      onProgress,
    };
    const [role, ...others] = components?.filter((each) => each.startsWith('adapter/')) ?? [];
    if (others.length > 0) throw new OptionError('--component', `${role} and ${others[0]}`, 'one adapter');
    const model = await load(source, options);
    if (role !== undefined) await model.setAdapter(role);
    if (trace) process.once('exit', () => printTrace(model));
    return { model, loadSeconds: (performance.now() - started) / 1000 };
  } finally {
    progress.stop();
  }
}

/** Parses a number. The API checks ranges. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw new InvalidArgumentError('Expected a number.');
  return value;
}

/** Parser of an option that may be repeated. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** Adds examples to the end of a command's help. */
export function examples(command: Command, lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);
}
