/** `espalier package pack`: publishes files as a version of a package. */
import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { SourceError } from '../../../index.ts';
import {
  type ComponentToPack,
  folderPublication,
  openFile,
  type PublishOptions,
  publish,
} from '../../../package/index.ts';
import { interruptSignal } from '../../interrupt.ts';
import { number } from '../../options.ts';
import { bytesForPeople, print, printJson } from '../../output.ts';
import { progressBar } from '../../progressBar.ts';
import { componentFiles, type RoleAndPath } from './componentFiles.ts';

interface PackValues {
  readonly name: string;
  readonly as: string;
  readonly component: readonly RoleAndPath[];
  readonly checks?: string;
  readonly requires?: NonNullable<PublishOptions['requires']>;
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
      'base, tokenizer, template, draft, card, adapter/NAME, head/NAME, experts/NAME; may be repeated. base may be the first part of a split GGUF, or a Hugging Face folder',
      roleAndPath,
    )
    .option(
      '--requires <name=value>',
      'what devices need: engine=VERSION of Espalier, memory=BYTES, devices=CLASS,CLASS such as phone,tablet; may be repeated',
      requirement,
    )
    .option('--checks <file>', 'JSON file with checks by role, which devices run before they use the version')
    .option('--json', 'print one JSON object')
    .action(pack);
}

async function pack(
  folder: string,
  { name, as: version, component, checks: file, requires, json }: PackValues,
): Promise<void> {
  const signal = interruptSignal();
  const progress = progressBar();
  const components: ComponentToPack[] = [];
  try {
    const checks = file === undefined ? {} : await readChecks(file, component);
    for (const { role, path, fileName } of await componentFiles(component)) {
      const own = checks[role];
      components.push({ role, fileName, source: await openFile(path), ...(own && { checks: own }) });
    }
    const { onProgress } = progress;
    const target = await folderPublication(folder);
    const { manifest, generation, updates } = await publish(target, components, {
      ...{ name, version, signal, onProgress },
      ...(requires && { requires }),
    });
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

type Checks = Readonly<Record<string, ComponentToPack['checks']>>;

/** The manifest's schema validates the checks themselves. */
async function readChecks(path: string, components: readonly RoleAndPath[]): Promise<Checks> {
  const fail = (problem: string) => new SourceError(path, `${problem}; expected {"ROLE": [{"text": …, "maxLoss": …}]}`);
  let checks: Checks;
  try {
    checks = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw fail((error as Error).message);
  }
  if (typeof checks !== 'object' || checks === null) throw fail('is no JSON object');
  const unknown = Object.keys(checks).find((role) => !components.some((component) => component.role === role));
  if (unknown !== undefined) throw fail(`has checks of ${unknown}, which is not a --component`);
  return checks;
}

/** Reads one more value of --component. */
function roleAndPath(text: string, before: readonly RoleAndPath[] = []): readonly RoleAndPath[] {
  const [, role, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (role === undefined || path === undefined)
    throw new InvalidArgumentError('Expected ROLE=FILE, such as base=model.gguf.');
  return [...before, { role, path }];
}

/** Reads one more value of --requires. The manifest's schema validates it. */
function requirement(text: string, before: PackValues['requires'] = {}): PackValues['requires'] {
  const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === 'engine') return { ...before, engine: value };
  if (name === 'memory') return { ...before, memoryBytes: number(value) };
  if (name === 'devices') return { ...before, devices: value.split(',') };
  throw new InvalidArgumentError('Expected engine=VERSION, memory=BYTES or devices=CLASS,CLASS.');
}
