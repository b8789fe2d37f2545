/** `espalier search`: finds the best version of a model within a time, a size or an energy on this device. */
import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { OptionError } from '../../index.ts';
import {
  formatsOfModel,
  meterDevice,
  paretoPage,
  type SearchLimit,
  searchBlocks,
  writeVariant,
} from '../../search/index.ts';
import { interruptSignal } from '../interrupt.ts';
import { collect, examples, number } from '../options.ts';
import { boundsText, print, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { addEncodingOption, readTextFile, type TextValues } from '../textInput.ts';

interface Values extends TextValues {
  readonly text: string;
  readonly budget?: readonly string[];
  readonly limit: SearchLimit;
  readonly format?: readonly string[];
  readonly output?: string;
  readonly report?: string;
  readonly threads: number;
  readonly tokens: number;
  readonly generations: number;
  readonly seed: number;
  readonly json?: boolean;
}

export function searchCommand(): Command {
  const command = new Command('search')
    .description(
      'Search for the fastest good version of a model on this device: for every block, whether it is kept and in which format. Times come from measured kernels, quality is the KL divergence from the model on a text.',
    )
    .argument('<model>', 'GGUF file or Hugging Face folder: path, URL or hf:owner/repo')
    .requiredOption('--text <path>', 'text of the kind that the model is for')
    .option('--budget <share>', "limit relative to the model's own; may be repeated (default: 0.8)", collect)
    .addOption(
      new Option(
        '--limit <what>',
        'what budgets are shares of: time of a token, bytes of the tensors, modelled joules of a token',
      )
        .choices(['seconds', 'bytes', 'joules'])
        .default('seconds'),
    )
    .option(
      '--format <name>',
      'block format that blocks may have besides their own, e.g. Q4_0; may be repeated',
      collect,
    )
    .option('--output <path>', 'GGUF file to write; with several budgets their per cents are added to its name')
    .option('--report <path>', 'HTML page to write, with all candidates')
    .option('--threads <count>', 'threads of the token whose time counts', number, 1)
    .option('--tokens <count>', 'tokens of the text to judge a candidate on', number, 1024)
    .option('--generations <count>', 'generations of the evolution, of 8 candidates each', number, 8)
    .option('--seed <number>', 'seed of the evolution', number, 1)
    .option('--json', 'print one JSON object on the last line')
    .action(run);
  return examples(addEncodingOption(command), [
    'espalier search model.gguf --text texts.txt --budget 0.8 --output faster.gguf',
    'espalier search model-q8.gguf --text texts.txt --format Q4_0 --budget 0.7 --limit bytes --output smaller.gguf',
    'espalier search model-q8.gguf --text texts.txt --format Q4_0 --budget 0.6 --budget 0.8 --report search.html',
  ]);
}

async function run(source: string, values: Values): Promise<void> {
  const signal = interruptSignal();
  const progress = progressBar();
  const { format: formats = [], threads, tokens, generations, seed, limit, output, report } = values;
  const budgets = (values.budget ?? ['0.8']).map(number);
  if (output !== undefined && output === source) throw new OptionError('output', output, 'another file than the model');
  const text = await readTextFile(values.text, values);
  try {
    const needed = [...new Set([...(await formatsOfModel(source)), ...formats])];
    const table = await meterDevice({ formats: needed, threads: [threads], signal, onProgress: progress.onProgress });
    const options = { table, text, budgets, limit, formats, threads, tokens, generations, seed, signal };
    const result = await searchBlocks(source, { ...options, onProgress: progress.onProgress });
    for (const { levels, budget } of result.found)
      if (output !== undefined) await writeVariant(source, nameOf(output, budget, budgets.length > 1), levels);
    if (report !== undefined) await writeFile(report, paretoPage(source, table.device, result));
    progress.stop();
    const { whole, found } = result;
    if (values.json) printJson({ whole, found });
    else
      for (const { budget, levels, seconds, bytes, joules, kld, nll } of found)
        print(
          `${(100 * budget).toFixed(0)}%: ${(whole.seconds / seconds).toFixed(2)} × faster, ${(100 * (1 - bytes / whole.bytes)).toFixed(0)}% smaller, ${boundsText(joules, 'J per token')} [${joules.method}: ${joules.note}], KL ${kld.toFixed(4)}, loss ${(100 * (nll / whole.nll - 1)).toFixed(1)}% more: ${levels.join(', ')}`,
        );
  } finally {
    progress.stop();
  }
}

/** 'a.gguf' → 'a-80.gguf' */
function nameOf(output: string, budget: number, isOneOfMany: boolean): string {
  return isOneOfMany ? output.replace(/(\.gguf)?$/i, `-${Math.round(100 * budget)}$1`) : output;
}
