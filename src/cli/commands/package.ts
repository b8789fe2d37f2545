/** `espalier package`: publishes, installs, updates and rolls back packages of models. */
import { createWriteStream } from 'node:fs';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Command, InvalidArgumentError } from 'commander';
import { SourceError } from '../../index.ts';
import {
  type ComponentToPack,
  folderPublication,
  openComponent,
  openFile,
  openRemote,
  openStore,
  type Plan,
  publish,
  pull,
} from '../../package/index.ts';
import { interruptSignal } from '../interrupt.ts';
import { examples, number } from '../options.ts';
import { bytesForPeople, note, print, printJson, printTable } from '../output.ts';
import { progressBar } from '../progressBar.ts';

interface StoreValues {
  readonly store?: string;
  readonly json?: boolean;
}

interface PackValues {
  readonly name: string;
  readonly as: string;
  readonly component: readonly RoleAndPath[];
  readonly json?: boolean;
}

interface PullValues extends StoreValues {
  readonly maxBytes?: number;
  readonly dryRun?: boolean;
}

export function packageCommand(): Command {
  const command = new Command('package').description('Publish, install and update models as packages of components.');
  command
    .command('pack')
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
  withStore(command.command('pull'))
    .description('Install the newest version of a published package, or update to it.')
    .argument('<location>', 'URL or path of the published folder')
    .option('--max-bytes <count>', 'fetch nothing if the update needs more', number)
    .option('--dry-run', 'only show what would be fetched')
    .action(install);
  withStore(command.command('list', { isDefault: true }))
    .description('List installed packages.')
    .action(list);
  withStore(command.command('rollback'))
    .description('Return to the version before, without a download.')
    .argument('<name>', 'name of the package')
    .action(rollback);
  withStore(command.command('export'))
    .description('Write a component of an installed package to a file.')
    .argument('<name>', 'name of the package')
    .argument('<file>', 'file to write')
    .option('--role <role>', 'component', 'base')
    .action(exportComponent);
  withStore(command.command('gc')).description('Remove what no installed version needs.').action(collectGarbage);
  return examples(command, [
    'espalier package pack site/ --name story-teller --as 1.0.0 --component base=model.gguf',
    'espalier package pull https://example.com/story-teller/ --dry-run',
    'espalier package rollback story-teller',
  ]);
}

function withStore(command: Command): Command {
  return command
    .option(
      '--store <folder>',
      "folder of installed packages (default: ESPALIER_PACKAGES, or in the user's data folder)",
    )
    .option('--json', 'print one JSON object');
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

async function install(location: string, { store: folder, maxBytes, dryRun, json }: PullValues): Promise<void> {
  const signal = interruptSignal();
  const progress = progressBar();
  const onPlan = (plan: Plan) => note(describePlan(plan));
  try {
    const { onProgress } = progress;
    const remote = await openRemote(location);
    const { plan, ...result } = await pull(openStore(folder), remote, { maxBytes, dryRun, onPlan, onProgress, signal });
    progress.stop();
    const { steps, ...costs } = plan;
    if (json) return printJson({ ...result, ...costs });
    const { name, version, changed } = result;
    if (changed) print(`${name} ${version} is installed: ${describePlan(plan)}`);
    else
      print(
        dryRun && plan.fetchBytes > 0 ? `${name} ${version}: ${describePlan(plan)}` : `${name} ${version} is current`,
      );
  } finally {
    progress.stop();
  }
}

function describePlan({ fetchBytes, totalBytes, diskBytes, memoryBytes, pieces }: Plan): string {
  const { have, delta, whole } = pieces;
  const sizes = [fetchBytes, totalBytes, diskBytes, memoryBytes].map(bytesForPeople);
  return `${sizes[0]} to fetch for ${sizes[1]}, ${sizes[2]} of disk, ${sizes[3]} of memory (${have} pieces are here, ${delta} deltas, ${whole} whole)`;
}

async function list({ store, json }: StoreValues): Promise<void> {
  const usage = await openStore(store).usage();
  if (json) return printJson(usage);
  const { packages, bytes, unused } = usage;
  if (packages.length > 0)
    printTable(
      ['name', 'version', 'generation', 'previous'],
      packages.map(({ name, version, generation, previous }) => [
        name,
        version,
        generation.slice(0, 12),
        previous?.slice(0, 12) ?? 'none',
      ]),
    );
  print(
    `${packages.length} packages, ${bytesForPeople(bytes)}, of which ${bytesForPeople(unused)} are unused (espalier package gc)`,
  );
}

async function rollback(name: string, { store: folder, json }: StoreValues): Promise<void> {
  const store = openStore(folder);
  const pointer = await store.changing(name, () => store.rollback(name), interruptSignal());
  const { version } = await store.manifest(pointer.generation);
  if (json) printJson({ name, version, ...pointer });
  else print(`${name} is at ${version} again`);
}

async function exportComponent(
  name: string,
  file: string,
  values: StoreValues & { readonly role: string },
): Promise<void> {
  const source = await openComponent(openStore(values.store), name, values.role);
  try {
    const parts = async function* () {
      for (let at = 0; at < source.size; at += 1 << 20) {
        const part = new Uint8Array(Math.min(1 << 20, source.size - at));
        await source.read(at, part.length, part);
        yield part;
      }
    };
    await pipeline(parts, createWriteStream(file), { signal: interruptSignal() }).catch((cause: Error) => {
      throw new SourceError(file, cause.message, {}, { cause });
    });
    if (values.json) printJson({ name, role: values.role, file, bytes: source.size });
    else print(`${file}: ${bytesForPeople(source.size)}`);
  } finally {
    await source.close();
  }
}

async function collectGarbage({ store, json }: StoreValues): Promise<void> {
  const freed = await openStore(store).collect();
  if (json) printJson({ freed });
  else print(`${bytesForPeople(freed)} freed`);
}
