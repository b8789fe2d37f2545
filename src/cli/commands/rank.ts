/** `espalier rank`: orders documents by how well they answer a query. */
import { Command } from 'commander';
import { interruptSignal } from '../interrupt.ts';
import { addModelOptions, examples, loadWithProgress, type ModelValues } from '../options.ts';
import { print, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { addEncodingOption, type TextValues } from '../textInput.ts';
import { textsOf } from './embed.ts';

interface Values extends ModelValues, TextValues {
  readonly file?: string;
  readonly truncate?: boolean;
  readonly template?: string;
  readonly json?: boolean;
}

export function rankCommand(): Command {
  const command = new Command('rank')
    .description('Order documents by how well they answer a query. Prints the best first.')
    .argument('<model>', 'GGUF file or folder of a reranking model')
    .argument('<query>', 'query')
    .argument('[documents...]', 'documents (default: one per line from stdin)')
    .option('--file <path>', 'read documents from a file, one per line')
    .option('--template <text>', 'text that the model reads, with {query} and {document} (default: from the model)')
    .option('--truncate', 'cut documents that are longer than the model, instead of failing')
    .option('--json', 'print one JSON object on the last line')
    .action(rank);
  return examples(addEncodingOption(addModelOptions(command)), [
    'espalier rank ms-marco-MiniLM-L6-v2/ "how to prune a pear" --file documents.txt',
  ]);
}

async function rank(source: string, query: string, given: readonly string[], values: Values): Promise<void> {
  const documents = await textsOf(given, values);
  const signal = interruptSignal();
  const { model } = await loadWithProgress(source, values, signal);
  const progress = progressBar();
  try {
    const { onProgress } = progress;
    const truncate = values.truncate ? 'end' : undefined;
    const { template } = values;
    const ranked = await model
      .rank(query, documents, { truncate, template, signal, onProgress })
      .finally(progress.stop);
    if (values.json)
      printJson({ ranking: ranked.map(({ index, score }) => ({ index, score, text: documents[index] })) });
    else for (const { index, score } of ranked) print(`${score.toFixed(4).padStart(9)}  ${documents[index]}`);
  } finally {
    model.dispose();
  }
}
