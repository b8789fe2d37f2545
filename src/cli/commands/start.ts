/** `espalier start`, what `npm start` runs: a first look. */
import { Command } from 'commander';
import { Interrupted, interruptSignal } from '../interrupt.ts';
import { addModelOptions, examples, loadWithProgress, type ModelValues } from '../options.ts';
import { print } from '../output.ts';

interface Values extends ModelValues {
  readonly model?: string;
}

const introduction = `Espalier runs large language models on the device they are needed on, in Node and in browsers,
with nothing to install but this package. It reads GGUF files, as llama.cpp does, and Hugging Face folders.

No model ships with it yet. Take any small GGUF you have, or let it download one:

  npm start -- --model path/to/model.gguf
  npm start -- --model hf:owner/repo/file.gguf

and then

  npx espalier chat model.gguf             talk with it
  npx espalier run model.gguf "A prompt"   continue a text
  npx espalier bench model.gguf            see how fast it is here
  npx espalier --help                      everything else`;

export function startCommand(): Command {
  const command = addModelOptions(new Command('start'))
    .description('A first look: tells what Espalier is or, with a model, lets it write.')
    .option('--model <model>', 'path, URL or hf:owner/repo/file.gguf')
    .action(start);
  return examples(command, ['espalier start', 'espalier start --model model.gguf']);
}

async function start({ model: source, ...values }: Values): Promise<void> {
  if (source === undefined) return print(introduction);
  const signal = interruptSignal();
  const { model, loadSeconds } = await loadWithProgress(source, values, signal);
  try {
    const { name, architecture, parameters, chatTemplate } = model.summary;
    print(
      `${name ?? source}: ${architecture}, ${(parameters / 1e6).toFixed(1)} million parameters, loaded in ${loadSeconds.toFixed(1)} s\n`,
    );
    const opening = 'Once upon a time';
    if (!chatTemplate) process.stdout.write(opening);
    const prompt = chatTemplate ? [{ role: 'user', content: 'Tell me a short story about a pear tree.' }] : opening;
    const generation = model.session().generate(prompt, { maxTokens: 200, temperature: 0.7, signal });
    try {
      for await (const { text } of generation) process.stdout.write(text);
    } catch (error) {
      if (!signal.aborted) throw error;
      process.exitCode = Interrupted.EXIT_CODE;
    }
    const { tokens, decodeTokensPerSecond } = await generation.result;
    const { backend, variant, threads } = model.backend;
    print(
      `\n\n${tokens} tokens, ${decodeTokensPerSecond.toFixed(1)} a second (${backend} ${variant}, threads: ${threads})`,
    );
  } finally {
    model.dispose();
  }
}
