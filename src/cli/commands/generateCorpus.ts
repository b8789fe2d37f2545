/** `espalier generate-corpus`: generates texts to train other models on. */
import { Command } from 'commander';
import { type CorpusProgress, generateCorpus } from '../../train/index.ts';
import { interruptSignal } from '../interrupt.ts';
import { addModelOptions, collect, examples, loadWithProgress, type ModelValues, number } from '../options.ts';
import { note, print, printJson } from '../output.ts';
import { addEncodingOption, plainText, readTextFile, type TextValues } from '../textInput.ts';

interface Values extends ModelValues, TextValues {
  readonly prompts?: string;
  readonly output: string;
  readonly turnPrefix?: readonly string[];
  readonly maxTurns?: number;
  readonly separator: string;
  readonly count: number;
  readonly tokens?: number;
  readonly stop?: readonly string[];
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly seed: number;
  readonly batch?: number;
  readonly json?: boolean;
}

export function generateCorpusCommand(): Command {
  const command = addModelOptions(new Command('generate-corpus'))
    .description(
      'Generate texts to train other models on and append them to a file. An interrupted run continues where it stopped. Texts may be JSON strings, e.g. "\\nBot:".',
    )
    .argument('<model>', 'path, URL or hf:owner/repo/file.gguf')
    .option('--prompts <path>', 'file with one prompt per line (default: an empty prompt)')
    .requiredOption('--output <path>', 'text file to append to')
    .option(
      '--turn-prefix <text>',
      'text to insert after each finished turn before the model continues; repeat it to alternate',
      collect,
    )
    .option(
      '--max-turns <count>',
      'with --turn-prefix: maximum turns per text (default: until the context is full)',
      number,
    )
    .option('--separator <text>', 'line after each text', '<|endoftext|>')
    .requiredOption('--count <texts>', 'total number of texts in the file', number)
    .option('-n, --tokens <count>', 'maximum tokens per turn (default: the rest of the context)', number)
    .option('--stop <text>', 'stop string; may be repeated', collectText)
    .option('--temperature <number>', 'sampling temperature; 0: always the most likely token', number, 1)
    .option('--top-k <count>', 'sample from the k most likely tokens; 0: all', number, 0)
    .option('--top-p <share>', 'sample from the most likely tokens with this total probability', number, 1)
    .option('--min-p <share>', 'drop tokens below this fraction of the highest probability', number, 0)
    .option('--seed <number>', 'seed of the sampler', number, 1)
    .option('--batch <texts>', 'number of texts generated at a time (default: 32)', number)
    .option('--json', 'print one JSON object on the last line')
    .action(run);
  return examples(addEncodingOption(command), [
    'espalier generate-corpus teacher.gguf --prompts prompts.txt --output stories.txt --count 20000 -n 200',
    `espalier generate-corpus teacher.gguf --prompts user.txt --turn-prefix '"\\nBot:"' --turn-prefix '"\\nUser:"' --output talks.txt --count 9000`,
  ]);
}

async function run(source: string, values: Values): Promise<void> {
  const signal = interruptSignal();
  const { prompts: path, json, turnPrefix, tokens, ...options } = values;
  const prompts = path === undefined ? undefined : readPrompts(await readTextFile(path, values), path);
  const { model } = await loadWithProgress(source, values, signal);
  const clear = () => {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  };
  try {
    const onProgress = (progress: CorpusProgress) => {
      clear();
      if (process.stderr.isTTY) process.stderr.write(summary(progress));
    };
    const settings = { ...options, turnPrefixes: turnPrefix, maxTokens: tokens };
    const written = await generateCorpus(model, { ...settings, prompts, signal, onProgress });
    clear();
    if (json) printJson(written);
    else print(values.output);
    note(summary(written));
  } finally {
    clear();
    model.dispose();
  }
}

function readPrompts(text: string, path: string): string[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  return lines.map((line, i) => plainText(line, `line ${i + 1} of ${path}`));
}

/** Parser of a text option that may be repeated. */
function collectText(written: string, before: readonly string[] = []): readonly string[] {
  return collect(plainText(written, 'the option'), before);
}

function summary({ texts, count, tokens, seconds }: CorpusProgress): string {
  return `${texts} of ${count} texts · ${Math.round(tokens / Math.max(seconds, 1e-3)).toLocaleString('en-US')} tokens/s`;
}
