/** `espalier package pack`: publishes files as a version of a package. */
import { basename } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { type ComponentToPack, folderPublication, openFile, publish } from '../../../package/index.ts';
import { interruptSignal } from '../../interrupt.ts';
import { bytesForPeople, print, printJson } from '../../output.ts';
import { progressBar } from '../../progressBar.ts';

interface PackValues {
  readonly name: string;
  readonly as: string;
  readonly component: readonly RoleAndPath[];
  readonly json?: boolean;
}

export function packCommand(): Command {
  return new Command('pack')
    .description('Publish files as a version of a package in a folder, with updates from the versions before.')
    .argument('<folder>', 'folder to publish in; any file server can serve it')
    .requiredOption('--name <name>', 'name of the package')
    .requiredOption('--as <version>', 'version of the package')
    .requiredOption(
      '--component <role=file>',
      'base, tokenizer, template, draft, card, adapter/NAME …; may be repeated',
      roleAndPath,
    )
    .option('--json', 'print one JSON object')
    .action(pack);
}

async function pack(folder: string, { name, as: version, component, json }: PackValues): Promise<void> {
  const signal = interruptSignal();
  const progress = progressBar();
  const components: ComponentToPack[] = [];
  try {
    for (const { role, path } of component) {
      components.push({ role, fileName: basename(path), source: await openFile(path) });
    }
    const { onProgress } = progress;
    const target = await folderPublication(folder);
    const { manifest, generation, updates } = await publish(target, components, { name, version, signal, onProgress });
    progress.stop();
    const bytes = manifest.components.reduce((sum, { file }) => sum + file.bytes, 0);
    if (json) return printJson({ name, version, generation, bytes, updates: Object.fromEntries(updates) });
    print(`${name} ${version}: ${bytesForPeople(bytes)}, generation ${generation.slice(0, 12)}`);
    for (const [from, size] of updates) print(`update from ${from.slice(0, 12)}: ${bytesForPeople(size)}`);
  } finally {
    progress.stop();
    await Promise.all(components.map(({ source }) => source.close()));
  }
}

interface RoleAndPath {
  readonly role: string;
  readonly path: string;
}

/** Reads one more value of --component. */
function roleAndPath(text: string, before: readonly RoleAndPath[] = []): readonly RoleAndPath[] {
  const [, role, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (role === undefined || path === undefined)
    throw new InvalidArgumentError('Expected ROLE=FILE, such as base=model.gguf.');
  return [...before, { role, path }];
}
