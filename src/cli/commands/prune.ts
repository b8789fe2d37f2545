/** `espalier prune`: sets weights of a model to zero. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { dropLayers, type PruneOptions, prune } from '../../compress/index.ts';
import { type BackendName, OptionError } from '../../index.ts';
import { interruptSignal } from '../interrupt.ts';
import { addComputeOptions, examples, number } from '../options.ts';
import { bytesForPeople, print, printFields, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { addEncodingOption, readTextFile, type TextValues } from '../textInput.ts';

interface Values extends TextValues {
  readonly method?: PruneOptions['method'];
  readonly sparsity?: number;
  readonly pattern?: string;
  readonly dropLayers?: number;
  readonly dropBlocks?: readonly number[];
  readonly calibrate?: string;
  readonly window?: number;
  readonly windows?: number;
  readonly threads?: number;
  readonly backend: BackendName;
  readonly json?: boolean;
}

export function pruneCommand(): Command {
  const command = addComputeOptions(new Command('prune'))
    .description(
      "Set weights of a model's blocks to zero, or remove whole blocks. With zeros the file keeps its size and speed, as kernels do not skip them; it compresses better.",
    )
    .argument('<model>', 'GGUF file or Hugging Face folder in F32, F16 or BF16: path, URL or hf:owner/repo')
    .argument('<output>', 'GGUF file to write')
    .option('--sparsity <share>', 'share of zeros, e.g. 0.5', number)
    .option('--pattern <N:M>', 'keep N of every M consecutive weights, e.g. 2:4')
    .option(
      '--drop-layers <count>',
      'remove the blocks that matter least to the calibration text; smaller and faster',
      number,
    )
    .option('--drop-blocks <list>', 'remove these blocks, e.g. 3,7', blockList)
    .addOption(
      new Option(
        '--method <name>',
        'how weights are chosen (default: sparsegpt with --calibrate, else magnitude)',
      ).choices(['magnitude', 'wanda', 'sparsegpt']),
    )
    .option('--calibrate <path>', 'text file for wanda and sparsegpt')
    .option('--window <tokens>', 'tokens per calibration window (default: 512, at most the trained context)', number)
    .option('--windows <count>', 'maximum number of calibration windows (default: 128)', number)
    .option('--json', 'print one JSON object on the last line')
    .action(run);
  return examples(addEncodingOption(command), [
    'espalier prune model-f16.gguf sparse.gguf --sparsity 0.5 --calibrate texts.txt',
    'espalier prune model.gguf smaller.gguf --drop-layers 2 --calibrate texts.txt',
    'espalier prune model-f16.gguf sparse.gguf --pattern 2:4 --method wanda --calibrate texts.txt',
  ]);
}

async function run(source: string, output: string, values: Values): Promise<void> {
  const signal = interruptSignal();
  const progress = progressBar();
  const { method, sparsity, pattern, calibrate, window, windows, threads, backend } = values;
  const text = calibrate === undefined ? undefined : await readTextFile(calibrate, values);
  try {
    const calibration = text === undefined ? undefined : { text, window, windows };
    const layers = values.dropBlocks ?? values.dropLayers;
    if (layers !== undefined) {
      if (sparsity !== undefined || pattern !== undefined)
        throw new OptionError(
          '--drop-layers',
          String(layers),
          'neither --sparsity nor --pattern beside it: prune in two steps',
        );
      const options = { layers, calibration, threads, backend, signal, onProgress: progress.onProgress };
      const found = await dropLayers(source, output, options);
      progress.stop();
      if (values.json) return printJson(found);
      return printFields({ output, 'dropped blocks': found.dropped.join(', '), size: bytesForPeople(found.bytes) });
    }
    const result = await prune(source, output, {
      ...{ method, sparsity, pattern, threads, backend, signal, onProgress: progress.onProgress },
      calibration,
    });
    progress.stop();
    if (values.json) return printJson(result);
    for (const { name, notes } of result.tensors) for (const note of notes) print(`${name}: ${note}`);
    printFields({
      output,
      method: result.method,
      zeros: `${(100 * result.sparsity).toFixed(1)}% of ${result.tensors.length} matrices`,
      size: bytesForPeople(result.bytes),
      time: `${result.seconds.toFixed(1)} s`,
    });
  } finally {
    progress.stop();
  }
}

/** Parses '3,7'. */
function blockList(text: string): number[] {
  const blocks = text.split(',').map((part) => Number(part.trim() || Number.NaN));
  if (blocks.every((block) => Number.isInteger(block) && block >= 0)) return blocks;
  throw new InvalidArgumentError('Expected indices such as 3,7.');
}
