/** `espalier package keys`: creates and replaces the keys that sign packages. */
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { SourceError } from '../../../index.ts';
import { folderPublication, rotateKeys } from '../../../package/index.ts';
import { print, printJson } from '../../output.ts';
import { type Role, readKeys, roles, writeKeyPair } from './keyFolder.ts';

interface CreateValues {
  readonly curve: string;
  readonly json?: boolean;
}

interface RotateValues extends CreateValues {
  readonly site: string;
  readonly role: readonly Role[];
}

export function keysCommand(): Command {
  const command = new Command('keys').description('Create and replace the keys that sign packages.');
  const curve = () =>
    new Option('--curve <name>', 'elliptic curve').choices(['P-256', 'P-384', 'P-521']).default('P-256');
  command
    .command('create')
    .description('Create a key for each role: root (keep it offline), targets, snapshot, timestamp.')
    .argument('<folder>', 'folder to write NAME.pem (private) and NAME.pub (public) in')
    .addOption(curve())
    .option('--json', 'print one JSON object')
    .action(create);
  command
    .command('rotate')
    .description(
      'Replace keys of a published package. The root key signs the new ones; the old files get the suffix .old.',
    )
    .argument('<folder>', 'folder of the keys')
    .requiredOption('--site <folder>', 'published folder')
    .addOption(new Option('--role <roles...>', 'keys to replace').choices(roles).makeOptionMandatory())
    .addOption(curve())
    .option('--json', 'print one JSON object')
    .action(rotate);
  return command;
}

async function create(folder: string, { curve, json }: CreateValues): Promise<void> {
  for (const role of roles) await writeKeyPair(folder, role, curve);
  if (json) return printJson({ folder, roles, curve });
  print(`${folder}: keys of ${roles.join(', ')}. Move root.pem to a safe place once the package is signed.`);
}

async function rotate(folder: string, { site, role: replaced, curve, json }: RotateValues): Promise<void> {
  // before any file is renamed: the root key, which signs the new ones, may be elsewhere
  const old = await readKeys(folder);
  const missing = roles.find((role) => !old[role]);
  if (missing) throw new SourceError(join(folder, `${missing}.pem`), 'is needed to name the new keys in a new root');
  const before = replaced.includes('root') ? old.root : undefined;
  for (const role of replaced) {
    await rename(join(folder, `${role}.pem`), join(folder, `${role}.pem.old`));
    await rename(join(folder, `${role}.pub`), join(folder, `${role}.pub.old`)).catch(ifMissing);
    await writeKeyPair(folder, role, curve);
  }
  const version = await rotateKeys(await folderPublication(site), { keys: await readKeys(folder) }, before);
  if (json) printJson({ folder, site, roles: replaced, root: version });
  else print(`${site}: root ${version} names the new keys of ${replaced.join(', ')}`);
}

function ifMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
