/** `espalier package merge`: merges an adapter into a model's file. */
import { open, rename, rm } from 'node:fs/promises';
import { Command } from 'commander';
import { mergeAdapter, openFile } from '../../../package/index.ts';
import { interruptSignal } from '../../interrupt.ts';
import { print, printJson } from '../../output.ts';

export function mergeCommand(): Command {
  return new Command('merge')
    .description(
      'Merge an adapter into a model, in the formats of its tensors. Devices that have both make the result themselves.',
    )
    .argument('<model>', 'GGUF file')
    .argument('<adapter>', 'GGUF file of the adapter')
    .argument('<output>', 'GGUF file to write')
    .option('--json', 'print one JSON object')
    .action(merge);
}

async function merge(model: string, adapter: string, output: string, { json }: { json?: boolean }): Promise<void> {
  const signal = interruptSignal();
  const base = await openFile(model);
  const added = await openFile(adapter);
  const partial = `${output}.partial-${process.pid}`;
  try {
    const file = await open(partial, 'w');
    const sink = { write: (bytes: Uint8Array) => file.writeFile(bytes) };
    await mergeAdapter(base, added, sink, { signal }).finally(() => file.close());
    await rename(partial, output);
  } finally {
    await rm(partial, { force: true });
    await Promise.all([base.close(), added.close()]);
  }
  if (json) printJson({ output });
  else print(`${output}: ${model} with ${adapter} merged`);
}
