/** `espalier package test`: runs the checks that an installed package contains. */
import { Command } from 'commander';
import { installedManifest, openStore, probe } from '../../../package/index.ts';
import { interruptSignal } from '../../interrupt.ts';
import { print, printJson } from '../../output.ts';
import { type StoreValues, withStore } from './store.ts';

interface TestValues extends StoreValues {
  readonly component?: string;
}

export function testCommand(): Command {
  return withStore(new Command('test'))
    .description('Load an installed package, write eight tokens, and run the checks that it contains.')
    .argument('<name>', 'name of the package')
    .option('--component <role>', 'run only the checks of this component')
    .action(test);
}

async function test(name: string, { store: folder, component: role, json }: TestValues): Promise<void> {
  const store = openStore(folder);
  const manifest = await installedManifest(store, name, role);
  const results = await probe(store, manifest, { signal: interruptSignal(), ...(role !== undefined && { role }) });
  if (json) return printJson({ name, version: manifest.version, checks: results });
  for (const { role, check, found } of results)
    print('text' in check ? `${role}: loss ${found}, at most ${check.maxLoss}` : `${role}: ${JSON.stringify(found)}`);
  print(`${name} ${manifest.version} works, ${results.length} checks passed`);
}
