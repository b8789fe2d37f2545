/** `espalier package list`, `rollback`, `export` and `gc`: the installed packages. */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Command } from 'commander';
import { SourceError } from '../../../index.ts';
import { openComponent, openStore } from '../../../package/index.ts';
import { interruptSignal } from '../../interrupt.ts';
import { bytesForPeople, print, printJson, printTable } from '../../output.ts';
import { type StoreValues, withStore } from './store.ts';

export function listCommand(): Command {
  return withStore(new Command('list')).description('List installed packages, and what takes space.').action(list);
}

export function rollbackCommand(): Command {
  return withStore(new Command('rollback'))
    .description('Return to the version before, without a download.')
    .argument('<name>', 'name of the package')
    .action(rollback);
}

export function exportCommand(): Command {
  return withStore(new Command('export'))
    .description('Write a component of an installed package to a file.')
    .argument('<name>', 'name of the package')
    .argument('<file>', 'file to write')
    .option('--role <role>', 'component', 'base')
    .action(exportComponent);
}

export function gcCommand(): Command {
  return withStore(new Command('gc')).description('Remove what no installed version needs.').action(collectGarbage);
}

async function list({ store, json }: StoreValues): Promise<void> {
  const usage = await openStore(store).usage();
  if (json) return printJson(usage);
  const { packages, bytes, unused } = usage;
  if (packages.length > 0)
    printTable(
      ['name', 'version', 'components', 'size', 'for rollback', 'generation', 'previous'],
      packages.map(({ name, version, roles, bytes, previousBytes, generation, previous }) => [
        name,
        version,
        roles.join(' '),
        bytesForPeople(bytes),
        bytesForPeople(previousBytes),
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
