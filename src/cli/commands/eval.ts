/** `espalier eval`: measures how well a model predicts a text. */
import { Command } from 'commander';
import { type EvaluateTextOptions, evaluateText, type Model, OptionError, type TextEvaluation } from '../../index.ts';
import { interruptSignal } from '../interrupt.ts';
import { addEngineOptions, examples, loadWithProgress, type ModelValues, number } from '../options.ts';
import { printFields, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { addEncodingOption, plainText, readTextFile, type TextValues } from '../textInput.ts';

interface Values extends ModelValues, TextValues {
  readonly text: string;
  readonly context: number;
  readonly maxTokens?: number;
  readonly separator?: string;
  readonly after?: string;
  readonly until?: string;
  readonly reference?: string;
  readonly all?: boolean;
  readonly exact?: boolean;
  readonly json?: boolean;
}

export function evalCommand(): Command {
  const command = addEngineOptions(new Command('eval'))
    .description(
      'Measure the perplexity of a text, as llama-perplexity does, and the KL divergence from a reference model.',
    )
    .argument('<model>', 'path, URL or hf:owner/repo/file.gguf')
    .requiredOption('--text <path>', 'text file')
    .option('--context <tokens>', 'tokens per chunk', number, 512)
    .option('--max-tokens <count>', 'maximum number of tokens to read', number)
    .option('--reference <model>', 'model with the same vocabulary, for KL divergence and top-token agreement')
    .option('--exact', 'dequantize weights to F32, so that no kernel rounds; needs 4 bytes per weight')
    .option('--all', 'score all tokens but the first of each chunk (default: the second half of complete chunks)')
    .option('--separator <text>', 'evaluate documents separately, split at this text or JSON string, e.g. "\\n\\n"')
    .option('--after <text>', 'with --separator: score only the tokens after this text, e.g. "Bot:"')
    .option('--until <text>', 'with --after: stop scoring after this text, or at the end of the document')
    .option('--json', 'print one JSON object on the last line')
    .action(evaluate);
  return examples(addEncodingOption(command), [
    'espalier eval model.gguf --text wiki.test.raw',
    `espalier eval model.gguf --text chats.txt --separator '"\\n\\n"' --after Bot: --until '<|endoftext|>'`,
    'espalier eval model-q4.gguf --reference model-f16.gguf --text wiki.test.raw --max-tokens 20000 --json',
  ]);
}

async function evaluate(source: string, values: Values): Promise<void> {
  const signal = interruptSignal();
  const text = await readTextFile(values.text, values);
  const models: Model[] = [];
  const progress = progressBar();
  try {
    models.push((await loadWithProgress(source, values, signal)).model);
    // an adapter is for the model that is compared, not for the reference
    const plain = { ...values, adapter: undefined };
    if (values.reference) models.push((await loadWithProgress(values.reference, plain, signal)).model);
    const [model, reference] = models;
    const { context, all, maxTokens } = values;
    const options = {
      context,
      all,
      maxTokens,
      reference,
      ...documents(values),
      signal,
      onProgress: progress.onProgress,
    };
    const found = await evaluateText(model, text, options);
    progress.stop();
    if (values.json) printJson(found);
    else printFields(table(found));
  } finally {
    progress.stop();
    for (const model of models) model.dispose();
  }
}

function documents({ separator, after, until }: Values): Pick<EvaluateTextOptions, 'separator' | 'parts'> {
  if ((after === undefined) !== (until === undefined))
    throw new OptionError(
      after === undefined ? '--until' : '--after',
      after ?? until,
      `${after === undefined ? '--after' : '--until'} to be set too`,
    );
  const parts =
    after === undefined ? undefined : { after: plainText(after, '--after'), until: plainText(until!, '--until') };
  return { separator: separator === undefined ? undefined : plainText(separator, '--separator'), parts };
}

function table({ tokens, nll, perplexity, bitsPerByte, kld, top1 }: TextEvaluation): Record<string, unknown> {
  return {
    tokens,
    'nats/token': nll.toFixed(4),
    perplexity: perplexity.toFixed(4),
    'bits/byte': bitsPerByte.toFixed(4),
    'KL divergence':
      kld && `${kld.mean.toExponential(3)} ± ${kld.sigma.toExponential(1)}, p99 ${kld.p99.toExponential(2)}`,
    'same top token': top1 === undefined ? undefined : `${(100 * top1).toFixed(2)} %`,
  };
}
