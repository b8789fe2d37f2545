/** `espalier generate-corpus`: lets a model write texts that others can be trained on. */
import { Command } from 'commander';
import { type CorpusProgress, generateCorpus } from '../../train/index.ts';
import { interruptSignal } from '../interrupt.ts';
import { addModelOptions, collect, examples, loadWithProgress, type ModelValues, number } from '../options.ts';
import { note, print, printJson } from '../output.ts';
import { plainText, readTextFile } from '../textInput.ts';

interface Values extends ModelValues {
  readonly prompts?: string;
  readonly output: string;
  readonly follow?: readonly string[];
  readonly parts?: number;
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
      'Lets a model write texts, many at a time, into a file that is gone on with where it was cut. Texts may be given as JSON strings, such as "\\nBot:".',
    )
    .argument('<model>', 'path, URL or hf:owner/repo/file.gguf')
    .option('--prompts <path>', 'beginnings, a line each')
    .requiredOption('--output <path>', 'text file; what it holds already is gone on from')
    .option(
      '--follow <text>',
      'put behind a finished continuation, to be continued too; text or a JSON string, several take turns',
      collect,
    )
    .option('--parts <count>', 'with --follow: continuations of a text at most (default: as many as fit)', number)
    .option('--separator <text>', 'stands on a line of its own behind each text', '<|endoftext|>')
    .requiredOption('--count <texts>', 'texts in all', number)
    .option('-n, --tokens <count>', 'tokens of a continuation at most (default: what the context has room for)', number)
    .option('--stop <text>', 'ends a continuation before this text; may be given several times', collectText)
    .option('--temperature <number>', '0: always the likeliest token', number, 1)
    .option('--top-k <count>', 'only the likeliest tokens; 0: all', number, 0)
    .option('--top-p <share>', 'only those that hold this share of the probability', number, 1)
    .option('--min-p <share>', 'only those at least this share as likely as the likeliest', number, 0)
    .option('--seed <number>', 'the same seed gives the same texts', number, 1)
    .option('--batch <texts>', 'texts at a time (default: 32)', number)
    .option('--json', 'one JSON object on the last line')
    .action(run);
  return examples(command, [
    'espalier generate-corpus teacher.gguf --prompts beginnings.txt --output stories.txt --count 20000 -n 200',
    `espalier generate-corpus teacher.gguf --prompts user.txt --follow '"\\nBot:"' --follow '"\\nUser:"' --output talks.txt --count 9000`,
  ]);
}

async function run(source: string, values: Values): Promise<void> {
  const signal = interruptSignal();
  const { prompts: path, json, ...options } = values;
  const prompts = path === undefined ? undefined : readPrompts(await readTextFile(path), path);
  const { model } = await loadWithProgress(source, values, signal);
  const clear = () => {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  };
  try {
    const onProgress = (progress: CorpusProgress) => {
      clear();
      if (process.stderr.isTTY) process.stderr.write(summary(progress));
    };
    const written = await generateCorpus(model, { ...options, prompts, signal, onProgress });
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

/** Of options that may be given several times. */
function collectText(written: string, before: readonly string[] = []): readonly string[] {
  return collect(plainText(written, 'the option'), before);
}

function summary({ texts, count, tokens, seconds }: CorpusProgress): string {
  return `${texts} of ${count} texts · ${Math.round(tokens / Math.max(seconds, 1e-3)).toLocaleString('en-US')} tokens/s`;
}
