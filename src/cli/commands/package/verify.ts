/** `espalier package verify`: verifies a published package, or model files with their signature. */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { SourceError } from '../../../index.ts';
import {
  compareModel,
  openRemote,
  readPublicKey,
  verifyBundle,
  verifyDerivations,
  verifyPublication,
} from '../../../package/index.ts';
import { interruptSignal } from '../../interrupt.ts';
import { bytesForPeople, print, printJson } from '../../output.ts';
import { openModelFolder } from './modelFolder.ts';
import { type PinValues, pinsOf, withPins } from './pull.ts';

interface VerifyValues extends PinValues {
  readonly signature?: string;
  readonly derivation?: boolean;
  readonly json?: boolean;
}

export function verifyCommand(): Command {
  return withPins(new Command('verify'))
    .description('Verify the signatures of a published package, or of model files (--signature).')
    .argument(
      '<location>',
      'URL or path of the published folder; with --signature a folder of model files, or one file',
    )
    .option('--signature <file>', 'bundle of OpenSSF Model Signing, such as model.sig')
    .option(
      '--derivation',
      'run the recipes again by which updates make tensors on the device; with --public-key their signed statement must say the same',
    )
    .option('--json', 'print one JSON object')
    .action(verify);
}

async function verify(location: string, values: VerifyValues): Promise<void> {
  const signal = interruptSignal();
  if (values.signature !== undefined && (values.derivation || values.root !== undefined))
    throw new SourceError(location, '--signature verifies model files: it goes without --derivation and --root');
  if (values.signature !== undefined) return verifyFiles(location, values.signature, values, signal);
  if (values.derivation) return verifyRecipes(location, values, signal);
  const verified = await verifyPublication(await openRemote(location, { signal }), await pinsOf(values), signal);
  if (values.json) return printJson(verified);
  print(`${verified.name} ${verified.version} is signed (${verified.by.join(', ')})`);
}

async function verifyRecipes(location: string, values: VerifyValues, signal: AbortSignal): Promise<void> {
  const found = await verifyDerivations(await openRemote(location, { signal }), await pinsOf(values), signal);
  if (found.length === 0 && values.publicKey !== undefined)
    throw new SourceError(location, 'no update has recipes, so no statement of them was verified');
  if (values.json) return printJson({ derivations: found });
  if (found.length === 0) print(`${location}: no update has recipes, so there was none to run`);
  for (const { from, to, pieces, bytes, signed } of found) {
    const as = signed ? 'as published and signed' : 'as published';
    print(`${from} → ${to}: ${pieces} pieces are made on the device, ${bytesForPeople(bytes)}, ${as}`);
  }
}

async function verifyFiles(
  path: string,
  signature: string,
  { publicKey, json }: VerifyValues,
  signal: AbortSignal,
): Promise<void> {
  if (publicKey === undefined) throw new SourceError(signature, 'needs --public-key, the key that must have signed it');
  const key = await readPublicKey(await readFile(publicKey, 'utf8'), publicKey);
  const signed = await verifyBundle(new Uint8Array(await readFile(signature)), key, signature);
  const model = await openModelFolder(path, signature);
  try {
    await compareModel(signed, model.files, path, { signal });
  } finally {
    await model.close();
  }
  if (json) printJson({ name: signed.name, files: signed.resources.length });
  else print(`${path}: the signature is valid for ${signed.resources.length} ${signed.method}`);
}
