/** `espalier embed`: converts texts to vectors. */
import { Command, Option } from 'commander';
import { type EmbedOptions, OptionError } from '../../index.ts';
import { interruptSignal } from '../interrupt.ts';
import { addModelOptions, examples, loadWithProgress, type ModelValues, number } from '../options.ts';
import { print, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { addEncodingOption, readPipedText, readTextFile, type TextValues } from '../textInput.ts';

interface Values
  extends ModelValues,
    TextValues,
    Pick<EmbedOptions, 'prompt' | 'prefix' | 'pooling' | 'dimensions' | 'normalize'> {
  readonly file?: string;
  readonly truncate?: boolean;
  readonly json?: boolean;
}

const POOLINGS = ['mean', 'cls', 'last', 'max', 'meanSqrtLength', 'weightedMean'];

export function embedCommand(): Command {
  const command = new Command('embed')
    .description('Embed texts as vectors, e.g. for search. Prints one vector per line.')
    .argument('<model>', 'GGUF file or folder of an embedding model')
    .argument('[texts...]', 'texts (default: one per line from stdin)')
    .option('--file <path>', 'read texts from a file, one per line')
    .option('--prompt <name>', "name of one of the model's prompts, e.g. query")
    .option('--prefix <text>', 'text to put before each text, in place of a prompt of the model')
    .addOption(
      new Option('--pooling <kind>', 'pooling of the token vectors (default: from the model)').choices(POOLINGS),
    )
    .option('--dimensions <count>', 'keep only the first dimensions (Matryoshka models)', number)
    .option('--normalize', 'scale vectors to length 1 (default: from the model)')
    .option('--no-normalize', 'do not scale vectors')
    .option('--truncate', 'cut texts that are longer than the model, instead of failing')
    .option('--json', 'print one JSON object on the last line')
    .action(embed);
  return examples(addEncodingOption(addModelOptions(command)), [
    'espalier embed all-MiniLM-L6-v2/ "What is an espalier?"',
    'espalier embed model.gguf --file sentences.txt --prompt query --json',
  ]);
}

async function embed(source: string, given: readonly string[], values: Values): Promise<void> {
  const { prompt, prefix, pooling, dimensions, normalize, truncate, json } = values;
  const texts = await textsOf(given, values);
  const signal = interruptSignal();
  const { model } = await loadWithProgress(source, values, signal);
  const progress = progressBar();
  try {
    const { onProgress } = progress;
    const options = {
      prompt,
      prefix,
      pooling,
      dimensions,
      normalize,
      truncate: truncate ? ('end' as const) : undefined,
    };
    const vectors = await model.embed(texts, { ...options, signal, onProgress }).finally(progress.stop);
    const embeddings = vectors.map((vector) => Array.from(vector));
    if (json) printJson({ dimensions: embeddings[0]?.length ?? 0, embeddings });
    else for (const vector of embeddings) print(vector.map((value) => value.toFixed(6)).join(' '));
  } finally {
    model.dispose();
  }
}

/** @throws {OptionError} if there is none */
export async function textsOf(given: readonly string[], values: TextValues & { file?: string }): Promise<string[]> {
  const { file } = values;
  if (given.length > 0 && file !== undefined) throw new OptionError('--file', file, 'no text arguments');
  if (given.length > 0) return [...given];
  const text = file === undefined ? await readPipedText(values) : await readTextFile(file, values);
  if (text === undefined) throw new OptionError('texts', 'missing', 'text arguments, --file, or texts on stdin');
  return text.replace(/\r?\n$/, '').split(/\r?\n/);
}
