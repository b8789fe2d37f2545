/** `espalier compare`: compares models with a reference. */
import { basename } from 'node:path';
import { Command } from 'commander';
import { type Comparison, compare, writeComparePage } from '../../compress/index.ts';
import { interruptSignal } from '../interrupt.ts';
import { examples, number } from '../options.ts';
import { bytesForPeople, printJson, printTable } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { addEncodingOption, readTextFile, type TextValues } from '../textInput.ts';

interface Values extends TextValues {
  readonly text: string;
  readonly context?: number;
  readonly maxTokens?: number;
  readonly exact?: boolean;
  readonly speed: boolean;
  readonly plot?: string;
  readonly threads?: number;
  readonly json?: boolean;
}

export function compareCommand(): Command {
  const command = new Command('compare')
    .description('Compare models with a reference: KL divergence, agreement, perplexity, bytes and speed.')
    .argument('<reference>', 'model that the others were made from: path, URL or hf:owner/repo/file.gguf')
    .argument('<models...>', 'models with the same vocabulary')
    .requiredOption('--text <path>', 'text file; not the one that the models were calibrated with')
    .option('--context <tokens>', 'tokens per chunk (default: 512, at most the trained context)', number)
    .option('--max-tokens <count>', 'maximum number of tokens to read', number)
    .option('--exact', 'dequantize weights to F32, so that only the files differ; needs 4 bytes per weight')
    .option('--no-speed', 'do not measure tokens per second')
    .option('--plot <path>', 'write an HTML page with plots of divergence by bytes and by time')
    .option('--threads <count>', 'number of threads (default: measured)', number)
    .option('--json', 'print one JSON object on the last line')
    .action(run);
  return examples(addEncodingOption(command), [
    'espalier compare model-f16.gguf model-q4.gguf model-q3.gguf --text held-out.txt --max-tokens 8192 --exact --plot models.html',
  ]);
}

async function run(reference: string, models: readonly string[], values: Values): Promise<void> {
  const signal = interruptSignal();
  const progress = progressBar();
  const { context, maxTokens, exact, speed, threads } = values;
  const text = await readTextFile(values.text, values);
  try {
    const options = { text, context, maxTokens, exact, speed, threads, signal, onProgress: progress.onProgress };
    const rows = await compare(reference, models, options);
    progress.stop();
    if (values.plot !== undefined) await writeComparePage(rows, basename(values.text), values.plot);
    if (values.json) return printJson({ tokens: rows[0]?.tokens, exact: exact === true, models: rows });
    const head = ['model', 'bytes', 'KL divergence', 'p99', 'same top', 'perplexity ×', 'tokens/s', 'best at its size'];
    printTable(head, rows.map(row));
  } finally {
    progress.stop();
  }
}

function row({ model, bytes, kld, top1, perplexityRatio, decodeTokensPerSecond, isOnFront }: Comparison): string[] {
  return [
    model,
    bytesForPeople(bytes),
    kld ? `${kld.mean.toExponential(3)} ± ${kld.sigma.toExponential(1)}` : '',
    kld ? kld.p99.toExponential(2) : '',
    top1 === undefined ? '' : `${(100 * top1).toFixed(2)}%`,
    perplexityRatio.toFixed(4),
    decodeTokensPerSecond === undefined ? '' : decodeTokensPerSecond.toFixed(1),
    isOnFront ? 'yes' : '',
  ];
}
