/** `espalier bench`: measures the speed of a model, or of the kernels. */
import { Command } from 'commander';
import { measureSpeed, OptionError } from '../../index.ts';
import { interruptSignal } from '../interrupt.ts';
import { addModelOptions, examples, loadWithProgress, type ModelValues, number } from '../options.ts';
import { bytesForPeople, describeBackend, printFields, printJson } from '../output.ts';
import { benchKernels } from './benchKernels.ts';

interface Values extends ModelValues {
  readonly prefill: number;
  readonly decode: number;
  readonly runs: number;
  readonly json?: boolean;
  readonly kernels?: true | readonly string[];
  readonly time?: number;
}

export function benchCommand(): Command {
  const command = addModelOptions(new Command('bench'))
    .description(
      'Measure speed and memory with random tokens (median of several runs), or the kernels alone (--kernels) compared with memory bandwidth and peak arithmetic.',
    )
    .argument('[model]', 'path, URL or hf:owner/repo/file.gguf')
    .option('--prefill <tokens>', 'prompt length', number, 256)
    .option('--decode <tokens>', 'number of tokens to generate', number, 48)
    .option('--runs <count>', 'number of runs', number, 3)
    .option(
      '--variant <name>',
      'kernel variant: relaxed-i16, relaxed-i32 or baseline, optionally with -wide (default: the fastest, measured once)',
    )
    .option(
      '--kernels [formats...]',
      'measure the kernels of all variants; formats such as Q4_0, or all (default: five formats)',
    )
    .option('--time <milliseconds>', 'with --kernels: stop after this time without a speedup (default: 300)', number)
    .option('--json', 'one JSON object on the last line')
    .action(bench);
  return examples(command, [
    'espalier bench model.gguf',
    'espalier bench model.gguf --threads 4 --runs 5 --json',
    'espalier bench --kernels',
    'espalier bench --kernels Q4_0 Q4_K --variant baseline',
  ]);
}

async function bench(source: string | undefined, values: Values, command: Command): Promise<void> {
  const signal = interruptSignal();
  const { kernels, time, json } = values;
  if (kernels !== undefined) {
    if (source !== undefined) throw new OptionError('the model', source, 'no model with --kernels');
    const { variant, threads } = values;
    return benchKernels(kernels === true ? undefined : kernels, { variant, threads, milliseconds: time, signal }, json);
  }
  if (source === undefined) command.error("error: missing required argument 'model'");
  if (time !== undefined) throw new OptionError('--time', time, '--kernels to be set too');
  const { prefill, decode, runs } = values;
  const context = values.context ?? prefill + decode;
  const { model, loadSeconds } = await loadWithProgress(source, { ...values, context }, signal);
  try {
    const { prefillTokensPerSecond, decodeTokensPerSecond, ...rest } = await measureSpeed(model, {
      prefill,
      decode,
      runs,
      signal,
    });
    const { peakMemoryBytes, weightBytesPerSecond, backend, settings, limits } = rest;
    if (json) {
      printJson({
        prefillTokensPerSecond,
        decodeTokensPerSecond,
        loadSeconds,
        peakMemoryBytes,
        weightBytesPerSecond,
        backend,
        ...settings,
        limits,
      });
      return;
    }
    printFields({
      prefill: `${prefillTokensPerSecond.toFixed(1)} tokens/s`,
      decode: `${decodeTokensPerSecond.toFixed(1)} tokens/s, reads ${bytesForPeople(weightBytesPerSecond)}/s of weights`,
      load: `${loadSeconds.toFixed(2)} s`,
      'peak memory': peakMemoryBytes === null ? 'unknown' : bytesForPeople(peakMemoryBytes),
      backend: describeBackend({ backend, settings, limits }),
    });
  } finally {
    model.dispose();
  }
}
