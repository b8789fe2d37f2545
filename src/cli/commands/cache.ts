/** `espalier cache`: lists and deletes stored downloads. */
import { Command } from 'commander';
import { cache, SourceError } from '../../index.ts';
import { interruptSignal } from '../interrupt.ts';
import { examples } from '../options.ts';
import { bytesForPeople, print, printJson, printTable } from '../output.ts';
import { progressBar } from '../progressBar.ts';

interface Values {
  readonly json?: boolean;
}

export function cacheCommand(): Command {
  const command = new Command('cache').description('Download models, or list and delete what was downloaded.');
  command
    .command('list', { isDefault: true })
    .description("List downloaded files, with those in Hugging Face's cache.")
    .option('--json', 'print one JSON object')
    .action(list);
  command
    .command('add')
    .description('Download a model without loading it.')
    .argument('<source>', 'URL, hf:owner/repo or hf:owner/repo/file')
    .action(add);
  command
    .command('delete')
    .description('Delete the files of one or more sources.')
    .argument('<source...>', 'URL, hf:owner/repo or hf:owner/repo/file')
    .action(remove);
  command
    .command('clear')
    .description("Delete everything that Espalier stored. Hugging Face's own cache is left alone.")
    .action(clear);
  return examples(command, [
    'espalier cache',
    'espalier cache add hf:owner/repo/model.gguf',
    'espalier cache delete hf:owner/repo',
    'espalier cache delete https://example.com/model.gguf',
  ]);
}

async function list({ json }: Values): Promise<void> {
  const files = await cache.list();
  const { bytes, available } = await cache.usage();
  if (json) return printJson({ files, bytes, available });
  const state = ({ complete, bytes, total }: (typeof files)[number]) =>
    complete ? '' : `${Math.floor((100 * bytes) / (total || 1))} % downloaded`;
  if (files.length > 0)
    printTable(
      ['size', 'source', 'state'],
      files.map((file) => [bytesForPeople(file.bytes), file.source, state(file)]),
    );
  const room = available === undefined ? '' : `, ${bytesForPeople(available)} available`;
  print(`${files.length} files, ${bytesForPeople(bytes)}${room}`);
}

async function add(source: string): Promise<void> {
  const progress = progressBar();
  const { onProgress } = progress;
  await cache.add(source, { signal: interruptSignal(), onProgress }).finally(progress.stop);
}

async function remove(sources: readonly string[]): Promise<void> {
  for (const source of sources) {
    const freed = await cache.delete(source);
    if (freed === 0) throw new SourceError(source, 'is not in the cache: "espalier cache" lists what is');
    print(`${source}: ${bytesForPeople(freed)} deleted`);
  }
}

async function clear(): Promise<void> {
  print(`${bytesForPeople(await cache.clear())} deleted`);
}
