/** `espalier start`, what `npm start` runs: a first look. */
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { Model, Prompt } from '../../index.ts';
import { Interrupted, interruptSignal } from '../interrupt.ts';
import { addModelOptions, examples, loadWithProgress, type ModelValues } from '../options.ts';
import { describeBackend, print } from '../output.ts';

interface Values extends ModelValues {
  readonly model?: string;
}

/** The model that ships with the package. */
const sapling = fileURLToPath(new URL('../../../models/sapling.gguf', import.meta.url));

const greeting = `Espalier runs large language models on the device they are needed on, in Node and in browsers,
with nothing to install but this package. It reads GGUF files, as llama.cpp does, and Hugging Face folders.
`;

const question = 'Hey, how are you?';
const opening = 'Once upon a time';

export function startCommand(): Command {
  const command = addModelOptions(new Command('start'))
    .description('A first look: tells what Espalier is, and lets a model write.')
    .option('--model <model>', 'path, URL or hf:owner/repo/file.gguf (default: the small one that ships with Espalier)')
    .action(start);
  return examples(command, ['espalier start', 'espalier start --model model.gguf']);
}

async function start({ model: source = sapling, ...values }: Values): Promise<void> {
  const signal = interruptSignal();
  print(greeting);
  const { model, loadSeconds } = await loadWithProgress(source, values, signal);
  try {
    const { name, architecture, parameters, chatTemplate } = model.summary;
    const size = `${(parameters / 1e6).toFixed(1)} million parameters`;
    const machine = describeBackend(model.backend);
    print(`This is ${name ?? source} (${architecture}, ${size}), loaded in ${loadSeconds.toFixed(2)} s (${machine}).`);
    if (source === sapling)
      print('It holds small talk and tells small stories, and knows nothing else; models/README.md says more.');
    if (chatTemplate) {
      process.stdout.write(`\n> ${question}\n`);
      await write(model, [{ role: 'user', content: question }], signal);
    }
    process.stdout.write(`\n${opening}`);
    await write(model, opening, signal);
    print(nextSteps(source === sapling ? 'models/sapling.gguf' : source));
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = Interrupted.EXIT_CODE;
  } finally {
    model.dispose();
  }
}

/** Streams what the model says, and tells how fast. */
async function write(model: Model, prompt: Prompt, signal: AbortSignal) {
  const session = model.session();
  try {
    const generation = session.generate(prompt, { maxTokens: 200, temperature: 0.7, signal });
    let begun = typeof prompt === 'string';
    for await (const { text } of generation) {
      process.stdout.write(begun ? text : text.trimStart());
      begun ||= text.trim() !== '';
    }
    const { tokens, decodeTokensPerSecond } = await generation.result;
    print(`\n[${tokens} tokens, ${Math.round(decodeTokensPerSecond).toLocaleString('en-US')} a second]`);
  } finally {
    session.dispose();
  }
}

function nextSteps(model: string): string {
  return `
What to do next, also with any GGUF file or hf:owner/repo/file.gguf:

  npx espalier chat ${model}             talk with it
  npx espalier run ${model} "A prompt"   continue a text
  npx espalier bench ${model}            see how fast it is here
  npx espalier --help${' '.repeat(model.length + 11)}everything else`;
}
