/** `espalier package pull` and `update`: install a published package, or update it. */
import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { OptionError } from '../../../index.ts';
import {
  openRemote,
  openStore,
  PackageError,
  type Plan,
  probe,
  pull,
  type TrustOptions,
} from '../../../package/index.ts';
import { describeError } from '../../errorLine.ts';
import { interruptSignal } from '../../interrupt.ts';
import { collect, number } from '../../options.ts';
import { bytesForPeople, note, print, printJson } from '../../output.ts';
import { progressBar } from '../../progressBar.ts';
import { type StoreValues, withStore } from './store.ts';

interface PullValues extends StoreValues, PinValues {
  readonly component?: readonly string[];
  readonly maxBytes?: number;
  readonly dryRun?: boolean;
  readonly metered?: boolean;
  readonly deviceClass?: string;
  readonly probe: boolean;
}

export interface PinValues {
  readonly root?: string;
  readonly publicKey?: string;
}

export function pullCommand(): Command {
  return withPullOptions(new Command('pull'))
    .description('Install the newest version of a published package, or update to it.')
    .argument('<location>', 'URL or path of the published folder, oci://HOST/NAME:TAG or oci:FOLDER:TAG')
    .action(async (location: string, values: PullValues) => {
      const isPath = !/^(https?|oci):/i.test(location);
      await install(isPath ? resolve(location) : location, values, openStore(values.store), interruptSignal());
    });
}

export function updateCommand(): Command {
  return withPullOptions(new Command('update'))
    .description('Update installed packages from where they were pulled. --json prints one object per package.')
    .argument('[names...]', 'names of packages (default: all)')
    .action(update);
}

function withPullOptions(command: Command): Command {
  return withPins(withStore(command))
    .option(
      '--component <role>',
      'install this component, too, such as adapter/legal; may be repeated (default: those that are installed, all at first)',
      collect,
    )
    .option('--max-bytes <count>', 'fetch nothing if the update needs more', number)
    .option('--dry-run', 'only show what would be fetched')
    .option('--metered', 'ask before anything is fetched')
    .option('--device-class <name>', 'refuse packages that are for other classes of devices, e.g. phone')
    .option(
      '--no-probe',
      'do not test the new version (load it, write eight tokens, run its checks) before it is used',
    );
}

export function withPins(command: Command): Command {
  return command
    .option('--root <file>', 'root.json of the publisher, which the signatures must lead back to')
    .option('--public-key <file>', 'public key (PEM) that must have signed the files');
}

export async function pinsOf({ root, publicKey }: PinValues): Promise<TrustOptions> {
  return {
    ...(root !== undefined && { root: new Uint8Array(await readFile(root)) }),
    ...(publicKey !== undefined && { publicKey: await readFile(publicKey, 'utf8') }),
  };
}

async function update(names: readonly string[], values: PullValues): Promise<void> {
  const store = openStore(values.store);
  const signal = interruptSignal();
  const wanted = names.length > 0 ? names : await store.names();
  const failed: string[] = [];
  for (const name of wanted) {
    const location = await store.origin(name);
    if (location === undefined && names.length === 0) {
      note(`${name} was installed without its location: pull it`);
      continue;
    }
    try {
      await install(location ?? unknownOrigin(name), values, store, signal);
    } catch (error) {
      if (wanted.length === 1 || signal.aborted) throw error;
      // a publisher that cannot be reached does not keep the others from being updated
      process.stderr.write(`espalier: ${name}: ${describeError(error)}\n`);
      failed.push(name);
    }
  }
  if (failed.length > 0)
    throw new PackageError(
      'UPDATE_FAILED',
      `${failed.length} of ${wanted.length} packages were not updated: ${failed.join(', ')}`,
      {
        failed,
      },
    );
}

function unknownOrigin(name: string): never {
  throw new OptionError('package', name, 'one that was installed by `espalier package pull`');
}

async function install(
  location: string,
  values: PullValues,
  store: ReturnType<typeof openStore>,
  signal: AbortSignal,
): Promise<void> {
  const { component: components, maxBytes, dryRun, deviceClass, json } = values;
  const progress = progressBar();
  const onPlan = async (plan: Plan) => {
    if (!dryRun && !json) process.stderr.write(`${describePlan(plan)}\n`);
    if (values.metered && !dryRun && plan.fetchBytes > 0) await askToFetch(signal);
  };
  try {
    const { onProgress } = progress;
    const remote = await openRemote(location, { signal });
    const { plan, ...result } = await pull(store, remote, {
      ...(values.probe && { probe: async (manifest) => void (await probe(store, manifest, { signal })) }),
      components,
      maxBytes,
      dryRun,
      device: { memoryBytes: totalmem(), ...(deviceClass !== undefined && { deviceClass }) },
      trust: await pinsOf(values),
      onPlan,
      onProgress,
      signal,
    });
    progress.stop();
    if (!dryRun) await store.keepOrigin(result.name, location);
    const { steps, ...costs } = plan;
    if (json) return printJson({ ...result, ...costs });
    const { name, version, changed } = result;
    if (changed) print(`${name} ${version} is installed, ${bytesForPeople(plan.fetchBytes)} were fetched`);
    else
      print(
        dryRun && plan.fetchBytes > 0 ? `${name} ${version}: ${describePlan(plan)}` : `${name} ${version} is current`,
      );
  } finally {
    progress.stop();
  }
}

/** @throws {OptionError} if the answer is not yes, or there is nobody to ask */
async function askToFetch(signal: AbortSignal): Promise<void> {
  if (!process.stdin.isTTY) throw new OptionError('--metered', 'set', 'a terminal to ask in; or use --max-bytes');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // a terminal in use takes Ctrl-C for itself, and Ctrl-D would leave the question open for ever
  terminal.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  const answer = await Promise.race([terminal.question('Fetch it? [y/N] ', { signal }), closed])
    .finally(() => terminal.close())
    .catch((error) => {
      throw signal.aborted ? signal.reason : error;
    });
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new OptionError('the answer', answer.trim() || 'no', 'yes, to fetch the update');
}

function describePlan({ fetchBytes, totalBytes, diskBytes, memoryBytes, seconds, pieces }: Plan): string {
  const { have, derive, delta, whole } = pieces;
  const sizes = [fetchBytes, totalBytes, diskBytes, memoryBytes].map(bytesForPeople);
  return `${sizes[0]} to fetch for ${sizes[1]}, about ${Math.ceil(seconds)} s, ${sizes[2]} of disk, ${sizes[3]} of memory (${have} pieces are here, ${derive} made here, ${delta} deltas, ${whole} whole)`;
}
