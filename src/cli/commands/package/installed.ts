/** `espalier package list`, `rollback`, `export` and `gc`: the installed packages. */
import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { Command } from 'commander';
import { type ByteSource, SourceError } from '../../../index.ts';
import { installedManifest, openComponent, openStore } from '../../../package/index.ts';
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
  const { packages, bytes, held, unused } = usage;
  if (packages.length > 0)
    printTable(
      ['name', 'version', 'components', 'size', 'for rollback', 'generation', 'previous'],
      packages.map(({ name, version, roles, bytes, previousBytes, generation, previous, isTrial, problem }) => [
        name,
        problem === undefined ? `${version}${isTrial ? ' (not tested)' : ''}` : 'damaged',
        roles.join(' '),
        bytesForPeople(bytes),
        bytesForPeople(previousBytes),
        generation.slice(0, 12),
        previous?.slice(0, 12) ?? 'none',
      ]),
    );
  for (const { name, problem } of packages) if (problem !== undefined) print(`${name}: ${problem}`);
  const shares = [
    ...(held > 0 ? [`${bytesForPeople(held)} are only needed by running sessions`] : []),
    `${bytesForPeople(unused)} are unused (espalier package gc)`,
  ];
  print(`${packages.length} packages, ${bytesForPeople(bytes)}, of which ${shares.join(', and ')}`);
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
  const signal = interruptSignal();
  const store = openStore(values.store);
  const { components } = await installedManifest(store, name, values.role);
  const { sha256 } = components.find(({ role }) => role === values.role)!.file;
  const source = await openComponent(store, name, values.role);
  const partial = `${file}.partial-${process.pid}`;
  try {
    await writeVerified(source, partial, sha256, signal);
    await rename(partial, file);
    if (values.json) printJson({ name, role: values.role, file, bytes: source.size });
    else print(`${file}: ${bytesForPeople(source.size)}`);
  } finally {
    await rm(partial, { force: true });
    await source.close();
  }
}

/** @throws {SourceError} if the store is damaged, so that the bytes have another hash */
async function writeVerified(source: ByteSource, path: string, sha256: string, signal: AbortSignal): Promise<void> {
  const hash = createHash('sha256');
  const target = await open(path, 'w');
  try {
    for (let at = 0; at < source.size; at += 1 << 20) {
      const part = new Uint8Array(Math.min(1 << 20, source.size - at));
      await source.read(at, part.length, part, signal);
      hash.update(part);
      await target.writeFile(part);
    }
  } finally {
    await target.close();
  }
  const found = hash.digest('hex');
  if (found !== sha256)
    throw new SourceError(source.name, `has the SHA-256 ${found} in the store, expected ${sha256}: pull it again`);
}

async function collectGarbage({ store, json }: StoreValues): Promise<void> {
  const freed = await openStore(store).collect(interruptSignal());
  if (json) printJson({ freed });
  else print(`${bytesForPeople(freed)} freed`);
}
