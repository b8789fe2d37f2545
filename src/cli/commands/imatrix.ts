/** `espalier imatrix`: measures the importance of the columns of a model's matrices. */
import { Command } from 'commander';
import { describeOutliers, type InputQuantiles, measureImportance } from '../../compress/index.ts';
import { type BackendName, OptionError } from '../../index.ts';
import { addCalibrationOptions, type CalibrationValues, readCalibration } from '../calibration.ts';
import { interruptSignal } from '../interrupt.ts';
import { addComputeOptions, examples } from '../options.ts';
import { print, printFields } from '../output.ts';
import { progressBar } from '../progressBar.ts';

interface Values extends CalibrationValues {
  readonly text?: readonly string[];
  readonly processOutput?: boolean;
  readonly quantiles?: boolean;
  readonly threads?: number;
  readonly backend: BackendName;
}

export function imatrixCommand(): Command {
  const command = addComputeOptions(new Command('imatrix'))
    .description(
      'Measure the importance of the columns of all matrices on a text, in the file format of llama-imatrix. An interrupted run continues when it is started again.',
    )
    .argument('<model>', 'GGUF file or Hugging Face folder: path, URL or hf:owner/repo')
    .argument('<output>', 'GGUF file to write')
    .option('--process-output', 'measure the output matrix, too; for tied embeddings that is the embedding')
    .option(
      '--quantiles',
      'keep quantiles of the absolute inputs, too (50, 90, 99, 99.9% and the maximum), and name channels that stand out; llama-quantize passes over them',
    )
    .action(run);
  return examples(addCalibrationOptions(command, 'text to measure on', '--text'), [
    'espalier imatrix model-f16.gguf imatrix.gguf --text texts.txt',
    'espalier quantize model-f16.gguf model-q4.gguf --type Q4_K_M --imatrix imatrix.gguf',
  ]);
}

async function run(source: string, output: string, values: Values): Promise<void> {
  if (!values.text) throw new OptionError('--text', 'missing', 'a text file, or self');
  const signal = interruptSignal();
  const progress = progressBar();
  const { processOutput, quantiles, threads, backend } = values;
  const outlying: string[] = [];
  const onInput = (input: InputQuantiles) => outlying.push(...[describeOutliers(input) ?? []].flat());
  const common = { threads, signal, onProgress: progress.onProgress };
  try {
    const calibration = await readCalibration(source, { ...values, calibrate: values.text }, common);
    const { facts, ...texts } = calibration!;
    const options = { ...common, ...texts, processOutput, quantiles, onInput, backend, output, textName: facts.name };
    const matrix = await measureImportance(source, options);
    progress.stop();
    for (const line of outlying) print(line);
    printFields({ output, tensors: matrix.entries.size, tokens: matrix.windows * matrix.windowSize });
  } finally {
    progress.stop();
  }
}
