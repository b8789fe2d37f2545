/** `espalier start`: a first demonstration; `npm start` runs it. */
import { Command } from 'commander';
import type { Model, Prompt } from '../../index.ts';
import { Interrupted, interruptSignal } from '../interrupt.ts';
import { addModelOptions, examples, loadWithProgress, type ModelValues } from '../options.ts';
import { describeBackend, print } from '../output.ts';
import { packageFile } from '../packageFile.ts';

interface Values extends ModelValues {
  readonly model?: string;
}

/** The model that ships with the package. */
const SAPLING = packageFile('models/sapling.gguf');

const GREETING = `Espalier runs large language models on the user's own device, in Node and in browsers. There is nothing to install
but this package. It reads GGUF files, as llama.cpp does, and Hugging Face folders.
`;

const QUESTION = 'Hey, how are you?';
const OPENING = 'Once upon a time';

export function startCommand(): Command {
  const command = addModelOptions(new Command('start'))
    .description('Introduce Espalier and let a model write.')
    .option(
      '--model <model>',
      'path, URL or hf:owner/repo/file.gguf (default: the small model that ships with Espalier)',
    )
    .action(start);
  return examples(command, ['espalier start', 'espalier start --model model.gguf']);
}

async function start({ model: source = SAPLING, ...values }: Values): Promise<void> {
  const signal = interruptSignal();
  print(GREETING);
  const { model, loadSeconds } = await loadWithProgress(source, values, signal);
  try {
    const { name, architecture, parameters, chatTemplate } = model.summary;
    const size = `${(parameters / 1e6).toFixed(1)} million parameters`;
    const machine = describeBackend(model.backend);
    print(`This is ${name ?? source} (${architecture}, ${size}), loaded in ${loadSeconds.toFixed(2)} s (${machine}).`);
    if (source === SAPLING)
      print('It makes small talk and tells small stories. It knows nothing else; see models/README.md.');
    if (chatTemplate) {
      process.stdout.write(`\n> ${QUESTION}\n`);
      await write(model, [{ role: 'user', content: QUESTION }], signal);
    }
    process.stdout.write(`\n${OPENING}`);
    await write(model, OPENING, signal);
    print(nextSteps(source === SAPLING ? 'models/sapling.gguf' : source));
  } catch (error) {
    if (!signal.aborted) throw error;
    process.exitCode = Interrupted.EXIT_CODE;
  } finally {
    model.dispose();
  }
}

/** Streams the model's text and prints the speed. */
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
    print(`\n[${tokens} tokens, ${Math.round(decodeTokensPerSecond).toLocaleString('en-US')} tokens/s]`);
  } finally {
    session.dispose();
  }
}

function nextSteps(model: string): string {
  return `
Next steps, with this model, any GGUF file or hf:owner/repo/file.gguf:

  npx espalier chat ${model}             chat with it
  npx espalier run ${model} "A prompt"   continue a text
  npx espalier bench ${model}            measure its speed
  npx espalier --help${' '.repeat(model.length + 11)}list all commands`;
}
