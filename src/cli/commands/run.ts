/** `espalier run`: continue a prompt. */
import { Command } from 'commander';
import { type GenerationResult, OptionError, type SamplingOptions } from '../../index.ts';
import { type AdaptValues, adaptOf, addAdaptOptions } from '../adaptOptions.ts';
import { Interrupted, interruptSignal } from '../interrupt.ts';
import {
  addModelOptions,
  addSamplingOptions,
  collect,
  examples,
  loadWithProgress,
  type ModelValues,
  number,
  samplingOf,
} from '../options.ts';
import { note, print, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { addEncodingOption, readPipedPrompt, type TextValues } from '../textInput.ts';

interface Values extends Omit<ModelValues, 'adapt'>, SamplingOptions, TextValues, AdaptValues {
  readonly tokens: number;
  readonly stop?: readonly string[];
  readonly json?: boolean;
  readonly exit?: string;
  readonly exitRisk?: number;
}

export function runCommand(): Command {
  const command = new Command('run')
    .description('Continue a prompt and stream the text to stdout.')
    .argument('<model>', 'path, URL or hf:owner/repo/file.gguf')
    .argument('[prompt]', 'prompt (default: stdin, without the line break at its end)')
    .option('-n, --tokens <count>', 'maximum number of tokens', number, 256)
    .option('--stop <text>', 'stop string; may be repeated', collect)
    .option('--draft-model <source>', 'smaller model with the same tokens, which drafts for this one')
    .option('--exit <source>', 'early exit (GGUF); it drafts, or with --exit-risk takes confident tokens')
    .option('--exit-risk <share>', "largest share of tokens that differ from the whole model's", number);
  addEncodingOption(addSamplingOptions(addAdaptOptions(addModelOptions(command)), 0))
    .option('--json', 'print one JSON object on the last line instead of the text')
    .action(run);
  return examples(command, [
    'espalier run model.gguf "Once upon a time"',
    'espalier run model.gguf "The sky is blue because" --stop . --temperature 0.7 --seed 1',
    'espalier run model.gguf -n 64 --json < prompt.txt',
    'espalier run model.gguf "Once upon a time" --deadline 50ms',
  ]);
}

async function run(source: string, given: string | undefined, values: Values): Promise<void> {
  const signal = interruptSignal();
  if (values.exitRisk !== undefined && values.exit === undefined)
    throw new OptionError('--exit-risk', values.exitRisk, '--exit to be set too');
  const prompt = given ?? (await readPipedPrompt(values)) ?? '';
  const { model, loadSeconds } = await loadWithProgress(source, { ...values, adapt: adaptOf(values) }, signal);
  const progress = progressBar();
  try {
    const { tokens: maxTokens, stop, json, exitRisk } = values;
    const exit = values.exit === undefined ? 'off' : exitRisk === undefined ? 'lossless' : 'calibrated';
    const early = { exit, ...(exit === 'calibrated' && { exitRisk }) } as const;
    const options = { ...samplingOf(values), ...early, maxTokens, stop, signal, onProgress: progress.onProgress };
    const generation = model.session().generate(prompt, options);
    try {
      for await (const { text } of generation) {
        progress.stop();
        if (!json) process.stdout.write(text);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      process.exitCode = Interrupted.EXIT_CODE;
    }
    const result = await generation.result;
    if (json) printJson(report(result, loadSeconds));
    else print('');
    if (result.exitProblem !== undefined) note(`the exit was left: ${result.exitProblem}`);
    note(`${result.tokens} tokens, ${result.decodeTokensPerSecond.toFixed(1)} tokens/s (${result.finishReason})`);
  } finally {
    progress.stop();
    model.dispose();
  }
}

function report(result: GenerationResult, loadSeconds: number): object {
  const { text, ids, promptTokens, tokens, prefillTokensPerSecond, decodeTokensPerSecond, exitProblem } = result;
  const speed = { prefillTokensPerSecond, decodeTokensPerSecond, loadSeconds };
  return {
    text,
    ids,
    promptTokens,
    tokens,
    ...speed,
    finishReason: result.finishReason,
    seed: result.seed,
    exitProblem,
  };
}
