/** `espalier bench`: how fast a model is on this machine. */
import { Command } from 'commander';
import { measureSpeed } from '../../index.ts';
import { interruptSignal } from '../interrupt.ts';
import { addModelOptions, examples, loadWithProgress, type ModelValues, number } from '../options.ts';
import { bytesForPeople, printFields, printJson } from '../output.ts';

interface Values extends ModelValues {
  readonly prefill: number;
  readonly decode: number;
  readonly runs: number;
  readonly json?: boolean;
}

export function benchCommand(): Command {
  const command = addModelOptions(new Command('bench'))
    .description('Measures speed and memory on random tokens; medians over several runs.')
    .argument('<model>', 'path, URL or hf:owner/repo/file.gguf')
    .option('--prefill <tokens>', 'tokens of the prompt', number, 256)
    .option('--decode <tokens>', 'tokens computed one after another', number, 48)
    .option('--runs <count>', 'runs, each in a session of its own', number, 3)
    .option(
      '--variant <name>',
      'build of the kernels: relaxed-i16, relaxed-i32, baseline, or one of them with -wide (default: the fastest, as measured once)',
    )
    .option('--json', 'one JSON object on the last line')
    .action(bench);
  return examples(command, ['espalier bench model.gguf', 'espalier bench model.gguf --threads 4 --runs 5 --json']);
}

async function bench(source: string, values: Values): Promise<void> {
  const signal = interruptSignal();
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
    const { peakMemoryBytes, weightBytesPerSecond, backend, variant, threads, decodeThreads } = rest;
    if (values.json) {
      printJson({
        prefillTokensPerSecond,
        decodeTokensPerSecond,
        loadSeconds,
        peakMemoryBytes,
        weightBytesPerSecond,
        backend,
        variant,
        threads,
      });
      return;
    }
    printFields({
      prefill: `${prefillTokensPerSecond.toFixed(1)} tokens a second`,
      decode: `${decodeTokensPerSecond.toFixed(1)} tokens a second, reading ${bytesForPeople(weightBytesPerSecond)} of weights`,
      load: `${loadSeconds.toFixed(2)} s`,
      'peak memory': peakMemoryBytes === null ? 'unknown' : bytesForPeople(peakMemoryBytes),
      backend: `${backend} ${variant}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${decodeThreads} in decoding`,
    });
  } finally {
    model.dispose();
  }
}
