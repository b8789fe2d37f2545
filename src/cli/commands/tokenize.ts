/** `espalier tokenize`: converts text to token ids. */
import { Command } from 'commander';
import { loadTokenizer, OptionError } from '../../index.ts';
import { interruptSignal } from '../interrupt.ts';
import { examples } from '../options.ts';
import { print, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { addEncodingOption, readPipedText, readTextFile, type TextValues } from '../textInput.ts';

interface Values extends TextValues {
  readonly file?: string;
  readonly bos: boolean;
  readonly json?: boolean;
}

export function tokenizeCommand(): Command {
  const command = new Command('tokenize')
    .description('Show the token ids of a text and the text of each token.')
    .argument('<model>', 'model, GGUF file with only a vocabulary, or tokenizer.json')
    .argument('[text]', 'text (default: read from stdin)')
    .option('--file <path>', 'read the text from a file')
    .option('--no-bos', 'do not add a BOS token')
    .option('--json', 'print one JSON object on the last line')
    .action(tokenize);
  return examples(addEncodingOption(command), [
    'espalier tokenize model.gguf "Hello, world"',
    'espalier tokenize tokenizer.json --file book.txt --json',
  ]);
}

async function tokenize(source: string, given: string | undefined, values: Values): Promise<void> {
  const { file, bos, json } = values;
  if (given !== undefined && file !== undefined) throw new OptionError('--file', file, 'no text argument');
  const text = file === undefined ? (given ?? (await readPipedText(values))) : await readTextFile(file, values);
  if (text === undefined) throw new OptionError('text', 'missing', 'a text argument, --file, or text on stdin');
  const progress = progressBar();
  const { onProgress } = progress;
  const tokenizer = await loadTokenizer(source, { signal: interruptSignal(), onProgress }).finally(progress.stop);
  const ids = tokenizer.encode(text, bos ? {} : { addBos: false });
  const pieces = ids.map((id) => tokenizer.piece(id));
  if (json) return printJson({ ids, pieces });
  for (const [i, id] of ids.entries()) print(`${String(id).padStart(7)}  ${JSON.stringify(pieces[i])}`);
}
