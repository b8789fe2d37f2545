/** `espalier package sign` and `renew`: sign a published package, or any folder of model files. */
import { writeFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { Command } from 'commander';
import { SourceError } from '../../../index.ts';
import {
  describeModel,
  folderPublication,
  renewPublication,
  signModel,
  signPublication,
} from '../../../package/index.ts';
import { interruptSignal } from '../../interrupt.ts';
import { number } from '../../options.ts';
import { print, printJson } from '../../output.ts';
import { readKey, readKeys } from './keyFolder.ts';
import { openModelFolder } from './modelFolder.ts';

interface SignValues {
  readonly keys?: string;
  readonly key?: string;
  readonly signature?: string;
  readonly days?: number;
  readonly json?: boolean;
}

export function signCommand(): Command {
  return new Command('sign')
    .description('Sign the newest version of a published package (--keys), or model files (--key).')
    .argument('<path>', 'published folder; with --key a folder of model files, or one file')
    .option('--keys <folder>', 'keys of the roles (espalier package keys create)')
    .option('--key <file>', 'private key (PEM) to sign the files with, as a bundle of OpenSSF Model Signing')
    .option('--signature <file>', 'with --key: file to write (default: model.sig in the folder)')
    .option('--days <count>', 'with --keys: days until the timestamp expires (default: 14)', number)
    .option('--json', 'print one JSON object')
    .action(sign);
}

export function renewCommand(): Command {
  return new Command('renew')
    .description('Extend the time until the signatures of a published package expire.')
    .argument('<folder>', 'published folder')
    .requiredOption(
      '--keys <folder>',
      'folder with timestamp.pem; with snapshot.pem and targets.pem these are renewed, too',
    )
    .option('--days <count>', 'days until the timestamp expires (default: 14)', number)
    .option('--json', 'print one JSON object')
    .action(renew);
}

async function sign(path: string, values: SignValues): Promise<void> {
  const { keys, key, json } = values;
  if ((keys === undefined) === (key === undefined))
    throw new SourceError(path, 'needs --keys FOLDER for a published package, or --key FILE for model files');
  if (key !== undefined) return signFiles(path, key, values);
  const options = { keys: await readKeys(keys!), ...lifetime(values) };
  const signed = await signPublication(await folderPublication(path), options);
  if (json) return printJson(signed);
  const { name, version, root } = signed;
  print(`${name} ${version} is signed. Users can pin the root: ${join(path, 'trust', `${root}.root.json`)}`);
}

async function signFiles(path: string, key: string, { signature, json }: SignValues): Promise<void> {
  const target = signature ?? join(path, 'model.sig');
  const privateKey = await readKey(key);
  if (!privateKey) throw new SourceError(key, 'no such file');
  const model = await openModelFolder(path, target);
  try {
    const inside = relative(resolve(path), resolve(target));
    const ignored = inside.startsWith('..') || model.name === basename(target) ? [] : [inside];
    const described = await describeModel(model.name, model.files, ignored, { signal: interruptSignal() });
    await writeFile(target, await signModel(described, privateKey));
    if (json) return printJson({ signature: target, files: described.resources.length });
    print(`${target}: signature of ${described.resources.length} files`);
  } finally {
    await model.close();
  }
}

async function renew(path: string, values: SignValues): Promise<void> {
  await renewPublication(await folderPublication(path), { keys: await readKeys(values.keys!), ...lifetime(values) });
  if (values.json) printJson({ folder: path });
  else print(`${path}: signatures are renewed`);
}

function lifetime({ days }: SignValues) {
  return days === undefined ? {} : { days: { timestamp: days } };
}
