/** `espalier imatrix`: measures the importance of the columns of a model's matrices. */
import { basename } from 'node:path';
import { Command } from 'commander';
import { measureImportance, writeImatrix } from '../../compress/index.ts';
import type { BackendName } from '../../index.ts';
import { interruptSignal } from '../interrupt.ts';
import { addComputeOptions, examples, number } from '../options.ts';
import { printFields } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { addEncodingOption, readTextFile, type TextValues } from '../textInput.ts';

interface Values extends TextValues {
  readonly text: string;
  readonly window?: number;
  readonly windows?: number;
  readonly processOutput?: boolean;
  readonly threads?: number;
  readonly backend: BackendName;
}

export function imatrixCommand(): Command {
  const command = addComputeOptions(new Command('imatrix'))
    .description(
      'Measure the importance of the columns of all matrices on a text, in the file format of llama-imatrix.',
    )
    .argument('<model>', 'GGUF file or Hugging Face folder: path, URL or hf:owner/repo')
    .argument('<output>', 'GGUF file to write')
    .requiredOption('--text <path>', 'text file')
    .option('--window <tokens>', 'tokens per window (default: 512, at most the trained context)', number)
    .option('--windows <count>', 'maximum number of windows (default: 128)', number)
    .option('--process-output', 'measure the output matrix, too; for tied embeddings that is the embedding')
    .action(run);
  return examples(addEncodingOption(command), [
    'espalier imatrix model-f16.gguf imatrix.gguf --text texts.txt',
    'espalier quantize model-f16.gguf model-q4.gguf --type Q4_K_M --imatrix imatrix.gguf',
  ]);
}

async function run(source: string, output: string, values: Values): Promise<void> {
  const signal = interruptSignal();
  const progress = progressBar();
  const { window, windows, processOutput, threads, backend } = values;
  const text = await readTextFile(values.text, values);
  try {
    const options = { window, windows, processOutput, threads, backend, signal, onProgress: progress.onProgress };
    const matrix = await measureImportance(source, { ...options, text, textName: basename(values.text) });
    await writeImatrix(output, matrix);
    progress.stop();
    printFields({ output, tensors: matrix.entries.size, tokens: matrix.windows * matrix.windowSize });
  } finally {
    progress.stop();
  }
}
