/** `espalier package pull`: installs a published package, or updates it. */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { openRemote, openStore, type Plan, probe, pull, type TrustOptions } from '../../../package/index.ts';
import { interruptSignal } from '../../interrupt.ts';
import { number } from '../../options.ts';
import { bytesForPeople, note, print, printJson } from '../../output.ts';
import { progressBar } from '../../progressBar.ts';
import { type StoreValues, withStore } from './store.ts';

interface PullValues extends StoreValues, PinValues {
  readonly maxBytes?: number;
  readonly dryRun?: boolean;
  readonly probe: boolean;
}

export interface PinValues {
  readonly root?: string;
  readonly publicKey?: string;
}

export function pullCommand(): Command {
  return withPins(withStore(new Command('pull')))
    .description('Install the newest version of a published package, or update to it.')
    .argument('<location>', 'URL or path of the published folder, oci://HOST/NAME:TAG or oci:FOLDER:TAG')
    .option('--max-bytes <count>', 'fetch nothing if the update needs more', number)
    .option('--dry-run', 'only show what would be fetched')
    .option('--no-probe', 'do not test the new version (load it, write eight tokens, run its checks) before it is used')
    .action(install);
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

async function install(location: string, values: PullValues): Promise<void> {
  const { store: folder, maxBytes, dryRun, json } = values;
  const store = openStore(folder);
  const signal = interruptSignal();
  const progress = progressBar();
  const onPlan = (plan: Plan) => note(describePlan(plan));
  try {
    const { onProgress } = progress;
    const remote = await openRemote(location);
    const { plan, ...result } = await pull(store, remote, {
      ...(values.probe && { probe: async (manifest) => void (await probe(store, manifest, { signal })) }),
      maxBytes,
      dryRun,
      trust: await pinsOf(values),
      onPlan,
      onProgress,
      signal,
    });
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
  const { have, derive, delta, whole } = pieces;
  const sizes = [fetchBytes, totalBytes, diskBytes, memoryBytes].map(bytesForPeople);
  return `${sizes[0]} to fetch for ${sizes[1]}, ${sizes[2]} of disk, ${sizes[3]} of memory (${have} pieces are here, ${derive} made here, ${delta} deltas, ${whole} whole)`;
}
