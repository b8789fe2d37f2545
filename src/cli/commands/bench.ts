/** `espalier bench`: how fast a model is on this machine, or how fast the kernels are. */
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
      'Measures speed and memory on random tokens, medians over several runs; or the kernels alone, beside what memory and arithmetic allow.',
    )
    .argument('[model]', 'path, URL or hf:owner/repo/file.gguf')
    .option('--prefill <tokens>', 'tokens of the prompt', number, 256)
    .option('--decode <tokens>', 'tokens computed one after another', number, 48)
    .option('--runs <count>', 'runs, each in a session of its own', number, 3)
    .option(
      '--variant <name>',
      'build of the kernels: relaxed-i16, relaxed-i32, baseline, or one of them with -wide (default: the fastest, as measured once)',
    )
    .option(
      '--kernels [formats...]',
      'the kernels alone, of every variant that runs here: formats such as Q4_0, or all (default: five of them)',
    )
    .option('--time <milliseconds>', 'how long kernels must not have become faster (default: 300)', number)
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
    if (source !== undefined) throw new OptionError('the model', source, 'none, as --kernels takes none');
    const { variant, threads } = values;
    return benchKernels(kernels === true ? undefined : kernels, { variant, threads, milliseconds: time, signal }, json);
  }
  if (source === undefined) command.error("error: missing required argument 'model'");
  if (time !== undefined) throw new OptionError('--time', time, 'none without --kernels');
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
      prefill: `${prefillTokensPerSecond.toFixed(1)} tokens a second`,
      decode: `${decodeTokensPerSecond.toFixed(1)} tokens a second, reading ${bytesForPeople(weightBytesPerSecond)} of weights`,
      load: `${loadSeconds.toFixed(2)} s`,
      'peak memory': peakMemoryBytes === null ? 'unknown' : bytesForPeople(peakMemoryBytes),
      backend: describeBackend({ backend, settings, limits }),
    });
  } finally {
    model.dispose();
  }
}
